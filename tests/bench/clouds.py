"""What a preview of 100 hosts in three clouds takes: `python -m tests.bench clouds`. Goals: 10 s and 400 MB.

The clouds are fakes in this process, which is not counted; all that `moorage preview` starts is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.e2e.platform_under_test import PlatformUnderTest
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.gcp import Gcp
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served

_EACH_S: Final = 0.05
_CLOUDS: Final[dict[str, tuple[type[Cloud], str]]] = {
    "one": (Aws, "kind: aws, region: eu-central-1, network: {cidr: 10.64.0.0/16}"),
    "two": (Azure, "kind: azure, location: westeurope, network: {cidr: 10.65.0.0/16}"),
    "three": (Gcp, "kind: gcp, project: example-123456, region: europe-west3, network: {cidr: 10.66.0.0/16}"),
}
_HEAD: Final = """apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: bench}
spec:
  release: "2026.11"
  regions:
"""
_REGION: Final = """    - name: {name}
      provider: {{{provider}, access: {{sources: [192.0.2.0/24]}}}}
      hosts:
        - {{name: {name}-manager, role: manager}}
        - {{name: {name}-worker, role: worker, count: {workers}}}
"""
_WORKERS: Final = {"one": 33, "two": 32, "three": 32}


def main() -> None:
    """Print a row for each number of regions."""
    with ExitStack() as stack:
        ports = [
            f"{cloud.package}:{stack.enter_context(served(FakeCloud(Account(cloud()))))}"
            for cloud, _ in _CLOUDS.values()
        ]
        os.environ["PULUMI_DEBUG_PROVIDERS"] = ",".join(ports)
        sys.stdout.write(
            "| preview of | s | s of CPU | MB at once | MB of the largest |\n| --- | --- | --- | --- | --- |\n"
        )
        for names in ([name] for name in _CLOUDS):
            _preview(names)
        _preview(list(_CLOUDS))


def _preview(names: list[str]) -> None:
    regions = "".join(_REGION.format(name=n, provider=_CLOUDS[n][1], workers=_WORKERS[n]) for n in names)
    with tempfile.TemporaryDirectory() as folder:
        platform = PlatformUnderTest("bench", Path(folder))
        (platform.folder / "platform.yaml").write_text(_HEAD + regions)
        started, before = time.perf_counter(), os.times()
        process = subprocess.Popen(
            platform.argv(["preview"]), env=platform.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        peaks = _Peaks(process.pid)
        _, said = process.communicate()
        took, after = time.perf_counter() - started, os.times()
        together, largest = peaks.stop()
    if process.returncode:
        sys.exit(said)
    hosts = len(names) + sum(_WORKERS[name] for name in names)
    kinds = ", ".join(_CLOUDS[name][0].package for name in names)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    sizes = f"{together / 1e6:.0f} | {largest / 1e6:.0f}"
    sys.stdout.write(f"| {hosts} hosts: {kinds} | {took:.1f} | {cpu:.1f} | {sizes} |\n")
    sys.stdout.flush()


class _Peaks:
    """Follows a process and all that it starts until it is stopped. Sizes are bytes of PSS."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stopped = pid, threading.Event()
        self._together = self._largest = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> tuple[int, int]:
        """The most that all had at once, and that one had."""
        self._stopped.set()
        self._thread.join()
        return self._together, self._largest

    def _watch(self) -> None:
        while not self._stopped.wait(_EACH_S):
            sizes = [_pss(pid) for pid in _family(self._pid)]
            self._together = max(self._together, sum(sizes))
            self._largest = max(self._largest, *sizes)


def _family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has ended
            continue
        for child in children:
            yield from _family(int(child))


def _pss(pid: int) -> int:
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()

"""What one cluster takes more of than it may, and what another on the same host feels of it.

Local hosts, taken down afterwards. Clients ask the other cluster's API and a workload in it twenty times a second, each
time through a new connection, before and meanwhile; nothing is asserted. Both is in one run, so ratios are to be read.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from installer.bundle.bundle import Bundle
from tests.bench.local_platform import local_platform
from tests.e2e import images
from tests.e2e.platform_under_test import PlatformUnderTest, podman
from tests.e2e.traffic import Asked, Traffic, api, workload

_NAME = "t-limits"
_GREEDY, _QUIET = "greedy", "quiet"
_BEFORE_S, _WHILE_S, _SETTLE_S = 30.0, 60.0, 20.0
# The filler comes last: its node is taken from it.
_BLOWS: Mapping[str, Sequence[str]] = {
    "fork bomb": ("processes",),
    "memory hog": ("memory",),
    "log flood": ("log",),
    "disk filler": ("disk", "/filled", "16384"),
}


def main() -> None:
    """Print two rows a blow."""
    with local_platform(_NAME) as platform:
        platform.must("up", "--yes", timeout_s=900)
        for name in (_GREEDY, _QUIET):
            pool = {"name": "general", "kind": "shared", "cpu": "1", "memory": "1Gi", "disk": "2Gi"}
            spec = {"version": Bundle.load("2026.11").info.kubernetes.manager, "pools": [pool]}
            document = {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}
            platform.kubectl("manager", "apply", "-f", "-", stdin=json.dumps(document).encode())
        for name in (_GREEDY, _QUIET):
            platform.kubectl("manager", "wait", "--for=condition=Ready", f"cluster/{name}", "--timeout=110s")
        with tempfile.TemporaryDirectory() as folder:
            image = images.build("greedy", Path(folder))
        image.bring(platform, _GREEDY)
        platform.make_namespace(_GREEDY, _GREEDY)
        [network] = json.loads(podman("network", "inspect", f"moorage-{_NAME}"))
        address = str(IPv4Network(network["subnets"][0]["subnet"])[-6])
        asked = [api(platform, _QUIET), workload(platform, _QUIET, address)]
        _say(
            "| blow | asked | p50 | p99 | meanwhile | p99 | ratios | not answered before, meanwhile |\n"
            + "| --- " * 8
            + "|"
        )
        for what, words in _BLOWS.items():
            _strike(platform, what, image.reference, words, asked)


def _strike(platform: PlatformUnderTest, what: str, image: str, words: Sequence[str], asked: Sequence[Asked]) -> None:
    time.sleep(_SETTLE_S)
    before = _watched(asked, _BEFORE_S)
    container = {"name": "greedy", "image": image, "imagePullPolicy": "Never", "args": list(words)}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy"}, "spec": {"containers": [container]}}
    platform.kubectl(_GREEDY, "-n", _GREEDY, "apply", "-f", "-", stdin=json.dumps(pod).encode())
    meanwhile = _watched(asked, _WHILE_S)
    platform.kubectl(_GREEDY, "-n", _GREEDY, "delete", "pod", "greedy", "--grace-period=0", "--force", check=False)
    for old, new in zip(before, meanwhile, strict=True):
        (p50, p99), (later50, later99) = _percentiles(old), _percentiles(new)
        ratios = f"{later50 / p50:.1f}, {later99 / p99:.1f}"
        lost = f"{len(old.lost)} of {old.count}, {len(new.lost)} of {new.count}"
        times = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in (p50, p99, later50, later99))
        _say(f"| {what} | {old.name} | {times} | {ratios} | {lost} |")


def _watched(asked: Sequence[Asked], seconds: float) -> Sequence[Asked]:
    fresh = [Asked(one.name, one.urls, one.context) for one in asked]
    with Traffic(fresh):
        time.sleep(seconds)
    return fresh


def _percentiles(one: Asked) -> tuple[float, float]:
    """Of the seconds that answers took: the 50th, the 99th."""
    hundredths = statistics.quantiles(one.took_s, n=100)
    return hundredths[49], hundredths[98]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

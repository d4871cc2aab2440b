"""A platform from nothing, `up` again, a cluster created and deleted; on local hosts, taken down afterwards."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from installer.bundle.bundle import Bundle
from tests.bench.local_platform import local_platform
from tests.e2e.platform_under_test import Done, PlatformUnderTest

_GOALS = {"up": 45, "second up": 3, "cluster create, 2 nodes": 12}


def main() -> None:
    """Print a row an act, and where the time of the first `up` went."""
    with local_platform("t-bench", managers=3, workers=2) as platform:
        start, _ = _timed(platform, "version (the program's start)", "version")
        _, done = _timed(platform, "up", "up", "--yes")
        for line in done.stderr.splitlines():
            if ": done in " in line:
                sys.stdout.write(f"    {line}\n")
        _timed(platform, "second up", "up", "--yes", base=("the start", start))
        _timed(platform, "status", "status", base=("the start", start))
        # The first cluster brings the shared datastore into being; what counts is the next.
        platform.must("cluster", "create", "first", "--nodes", "0")
        platform.kubectl("manager", "version")  # fetches the kubeconfig, which is not to be measured
        pod = _seconds(lambda: bare_pod(platform))
        _row("one bare pod in the manager", pod)
        create = "cluster create, 2 nodes"
        _timed(platform, create, "cluster", "create", "second", "--memory", "1Gi", base=("a bare pod", pod))
        _timed(platform, "cluster delete", "cluster", "delete", "second", "--yes", base=("a bare pod", pod))


def bare_pod(platform: PlatformUnderTest) -> None:
    """A pod of an image that is there, until it is ready: less than this, no cluster can take."""
    image = Bundle.load("2026.11").images["pause"]
    platform.kubectl(
        "manager", "run", "bare", f"--image={image}", "--image-pull-policy=Never", "--restart=Never", "--quiet"
    )
    platform.kubectl("manager", "wait", "--for=condition=Ready", "pod/bare", "--timeout=60s")


def _timed(
    platform: PlatformUnderTest, what: str, *words: str, base: tuple[str, float] | None = None
) -> tuple[float, Done]:
    started = time.perf_counter()
    done = platform.must(*words)
    seconds = time.perf_counter() - started
    _row(what, seconds, base)
    return seconds, done


def _row(what: str, seconds: float, base: tuple[str, float] | None = None) -> None:
    ratio = f"{seconds / base[1]:6.1f} x {base[0]}" if base else ""
    goal = f"   goal {_GOALS[what]} s" if what in _GOALS else ""
    sys.stdout.write(f"{what:<32}{seconds:8.1f} s {ratio}{goal}\n")
    sys.stdout.flush()


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started

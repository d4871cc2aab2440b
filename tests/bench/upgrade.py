"""A platform of three managers and two workers from the release before to the newest, then its clusters: how long each
takes, and, a second time, what clients were not answered meanwhile, who take most of one core where all hosts are one
machine. Local hosts, taken down afterwards; nothing is asserted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

from tests.bench.local_platform import local_platform
from tests.e2e.platform_under_test import podman
from tests.e2e.traffic import Asked, Traffic, api, workload

_NAME, _BEFORE, _AFTER = "t-upgrade", "2026.10", "2026.11"
_CLUSTERS = {"team-a": 2, "team-b": 1}  # replicas of the control plane


def main() -> None:
    """Print a row a change, without clients and with them, and what those lost."""
    for clients in (False, True):
        sys.stdout.write("with clients\n" if clients else "without clients\n")
        _measure(clients=clients)


def _measure(*, clients: bool) -> None:
    with local_platform(_NAME, managers=3, workers=2, release=_BEFORE) as platform:
        platform.must("up", "--yes", timeout_s=900)
        for name, replicas in _CLUSTERS.items():
            size = ("--nodes", "2", "--replicas", str(replicas), "--memory", "1Gi", "--version", "1.36.3")
            platform.must("cluster", "create", name, *size)
        [network] = json.loads(podman("network", "inspect", f"moorage-{_NAME}"))
        address = str(IPv4Network(network["subnets"][0]["subnet"])[-6])
        asked = [api(platform, name) for name in (*_CLUSTERS, "manager")] if clients else []
        served = workload(platform, "team-a", address)  # it is drained and follows, asked or not
        asked += [served] if clients else []
        with _timed("preflight, all checks, 5 hosts", goal_s=5, asked=[]):
            platform.run("preflight")
        with _timed("platform of 3 + 2, two clusters follow", goal_s=240, asked=asked):
            platform.must("upgrade", "--to", _AFTER, "--yes", timeout_s=1200)
        for name, replicas in _CLUSTERS.items():
            with _timed(f"cluster of 2 nodes, {replicas} in its control plane", goal_s=40, asked=asked):
                platform.must("cluster", "upgrade", name, "--to", "1.37.2", "--yes")


@contextmanager
def _timed(what: str, *, goal_s: float, asked: list[Asked]) -> Iterator[None]:
    fresh = [Asked(one.name, one.urls, one.context) for one in asked]
    started = time.monotonic()
    with Traffic(fresh):
        yield
        took = time.monotonic() - started
    sys.stdout.write(f"{what:<55} {took:7.1f} s   goal {goal_s:g} s\n")
    for one in fresh:
        sys.stdout.write(f"    {one.name:<51} {one.count:7} asked, {len(one.lost)} lost\n")
        for lost in one.lost[:5]:
            sys.stdout.write(f"        {lost.at} {lost.why[:120]}\n")
    sys.stdout.flush()

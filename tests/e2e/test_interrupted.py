"""`up` killed at several points, with everything it started; the next one goes on, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.platform_under_test import PlatformUnderTest

_SPEC = """
apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: t-killed}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {kind: local}
      hosts:
        - {name: manager, role: manager, count: 1}
        - {name: worker, role: worker, count: 1}
---
apiVersion: moorage.dev/v1
kind: Cluster
metadata: {name: one}
spec:
  version: 1.37.2
  pools:
    - {name: general, kind: shared, count: 1, cpu: 1, memory: 1Gi}
"""
# What the event says after which it is killed: hosts half made, bundle half sent, hosts half configured, manager
# half set up, cluster begun.
_POINTS = ("create host", "sending kubernetes", "receive files", "applying what runs", "apply-cluster")


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "platform.yaml").write_text(_SPEC)
    found = PlatformUnderTest("t-killed", folder)
    try:
        yield found
    finally:
        found.take_down()


def test_up_goes_on_from_wherever_it_was_killed(platform: PlatformUnderTest) -> None:
    """Each run gets further than the one before; the last ends with a working cluster on the very same hosts."""
    for point in _POINTS:
        platform.kill_when(lambda line, point=point: point in line, "up", "--yes", "-o", "json")
    hosts = platform.containers()
    assert len(hosts) == 2
    platform.must("up", "--yes")
    assert platform.containers() == hosts
    assert platform.must("status", "-o", "json").json["problems"] == []
    assert "Nothing to do" in platform.must("up", "--yes").stdout
    assert platform.kubectl("one", "get", "nodes", "-o", "name").stdout.count(b"node/") == 1


def test_destroy_after_a_kill_leaves_nothing(platform: PlatformUnderTest) -> None:
    """Hosts that were begun and never noted as made are found by their names."""
    platform.kill_when(lambda line: "create host" in line, "up", "--yes", "-o", "json")
    platform.must("destroy", "--yes")
    assert platform.leftovers() == []

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
    - name: away
      provider: {kind: local}
      hosts:
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


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "platform.yaml").write_text(_SPEC)
    found = PlatformUnderTest("t-killed", folder)
    try:
        yield found
    finally:
        found.take_down()


def test_hosts_that_were_begun_are_the_ones_that_are_made(platform: PlatformUnderTest) -> None:
    """A run that is killed while hosts of either region are made is followed by one that makes no others."""
    platform.kill_when(lambda line: "create host" in line, "up", "--yes", "-o", "json")
    platform.kill_when(lambda line: "sending kubernetes" in line, "up", "--yes", "-o", "json")
    assert len(platform.containers()) == 2


def test_destroy_after_a_kill_leaves_nothing(platform: PlatformUnderTest) -> None:
    """Hosts that were begun and never noted as made are found by their names."""
    platform.kill_when(lambda line: "create host" in line, "up", "--yes", "-o", "json")
    platform.must("destroy", "--yes")
    assert platform.leftovers() == []

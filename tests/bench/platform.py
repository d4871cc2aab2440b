"""A platform from nothing, `up` again, a cluster created and deleted; on local hosts, taken down afterwards."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.platform_under_test import PlatformUnderTest

_SPEC = """apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: t-bench}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {kind: local}
      hosts:
        - {name: manager, role: manager, count: 3}
        - {name: worker, role: worker, count: 2, zones: [a, b]}
"""
_GOALS = {"up": 45, "second up": 3, "cluster create, 2 nodes": 12}


def main() -> None:
    """Print a row an act."""
    with tempfile.TemporaryDirectory() as folder:
        platform = PlatformUnderTest("t-bench", Path(folder))
        (platform.folder / "platform.yaml").write_text(_SPEC)
        try:
            _timed(platform, "up", "up", "--yes")
            _timed(platform, "second up", "up", "--yes")
            _timed(platform, "status", "status")
            # The first cluster brings the shared datastore into being; what counts is the next.
            platform.must("cluster", "create", "first", "--nodes", "0")
            _timed(platform, "cluster create, 2 nodes", "cluster", "create", "second", "--memory", "1Gi")
            _timed(platform, "cluster delete", "cluster", "delete", "second", "--yes")
        finally:
            platform.take_down()


def _timed(platform: PlatformUnderTest, what: str, *words: str) -> None:
    started = time.perf_counter()
    platform.must(*words)
    goal = f"   goal {_GOALS[what]} s" if what in _GOALS else ""
    sys.stdout.write(f"{what:<28}{time.perf_counter() - started:8.1f} s{goal}\n")
    sys.stdout.flush()

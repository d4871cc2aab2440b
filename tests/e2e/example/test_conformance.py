"""A few minutes of Kubernetes' own conformance suite, on a hosted cluster; the whole is `make conformance`."""

from __future__ import annotations

import sys
from pathlib import Path

from installer.bundle.recipe import BuildEvent
from tests.conformance import cluster, selection, suite
from tests.conformance.run import names
from tests.e2e.platform_under_test import PlatformUnderTest


def tell(event: BuildEvent) -> None:
    if event.kind == "started":  # building takes minutes, the first time
        sys.stderr.write(f"[{event.number}/{event.of}] {event.title}\n")


def test_a_hosted_cluster_conforms(example: PlatformUnderTest, tmp_path: Path) -> None:
    """In what is quick of each part of Kubernetes."""
    built = suite.build(tmp_path / "programs", tell)
    wanted = selection.select(names(built.listed), "short")
    cluster.bring(example, "team-a", built.images)
    results = cluster.judge(example, "team-a", built, wanted, tmp_path / "report", at_once=5)
    assert [f"{one.name}: {one.why}" for one in results.failed] == []

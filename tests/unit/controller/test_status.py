"""The status of a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from installer.controller.status import Attempt, Condition, Found, status
from installer.kubernetes.cluster_status import UPDATING, UPGRADE_FAILED

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
GOOD = Condition("ControlPlaneReady", True, "Ready")
BAD = Condition("NodesReady", False, "Starting", "1 of 2 nodes are ready")

ON_ITS_WAY = Condition("ControlPlaneReady", False, UPDATING, "1 of 2 are up to date")
NOT_REACHED = Condition("VersionReached", False, UPGRADE_FAILED, "1.37.2 did not come up")


def of(*conditions: Condition, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return status(Found(conditions=conditions), generation=3, before=before or {}, now=NOW)


def test_ready_follows_from_the_others() -> None:
    """It is true when all are, and else repeats the first that is not."""
    assert of(GOOD)["conditions"][-1]["status"] == "True"
    ready = of(GOOD, BAD)["conditions"][-1]
    assert (ready["type"], ready["status"], ready["message"]) == ("Ready", "False", "1 of 2 nodes are ready")


@pytest.mark.parametrize(
    ("conditions", "before", "phase"),
    [
        ((GOOD,), "", "Ready"),
        ((BAD,), "", "Pending"),
        ((BAD,), "Pending", "Pending"),
        ((BAD,), "Ready", "Degraded"),
        ((BAD,), "Degraded", "Degraded"),
        ((BAD,), "Updating", "Updating"),
        ((ON_ITS_WAY,), "Ready", "Updating"),
        ((ON_ITS_WAY,), "Pending", "Pending"),
        ((ON_ITS_WAY, BAD), "Ready", "Degraded"),
        ((GOOD,), "Degraded", "Ready"),
        ((GOOD, NOT_REACHED), "Updating", "UpgradeFailed"),
        ((GOOD, NOT_REACHED), "UpgradeFailed", "UpgradeFailed"),
        ((ON_ITS_WAY, NOT_REACHED), "Updating", "Updating"),
        ((BAD, NOT_REACHED), "UpgradeFailed", "Degraded"),
        ((Condition("ControlPlaneReady", False, "VersionRefused"),), "Ready", "Refused"),
    ],
)
def test_phase(conditions: tuple[Condition, ...], before: str, phase: str) -> None:
    """One word for people."""
    assert of(*conditions, before={"phase": before or "Pending", "observedGeneration": 3})["phase"] == phase


def test_what_follows_a_change_is_no_fault() -> None:
    """A node that is added is not ready for a while, and nothing is wrong."""
    assert of(BAD, before={"phase": "Ready", "observedGeneration": 2})["phase"] == "Updating"


def test_a_condition_that_stays_keeps_its_time() -> None:
    """Only a transition has a new one; the generation is always the one that was looked at."""
    earlier = "2026-01-01T00:00:00Z"
    before = {
        "conditions": [
            {"type": "ControlPlaneReady", "status": "True", "lastTransitionTime": earlier},
            {"type": "NodesReady", "status": "True", "lastTransitionTime": earlier},
        ]
    }
    times = {c["type"]: c["lastTransitionTime"] for c in of(GOOD, BAD, before=before)["conditions"]}
    assert times["ControlPlaneReady"] == earlier
    assert times["NodesReady"] == "2026-05-04T03:02:01Z"
    assert {c["observedGeneration"] for c in of(GOOD, BAD)["conditions"]} == {3}


def test_where_volumes_are_is_never_forgotten() -> None:
    """A pass that fails does not know; what is there when the cluster is deleted is removed."""
    before = {"volumes": [{"host": "worker-1", "count": 2}]}
    assert of(BAD, before=before)["volumes"] == before["volumes"]
    found = Found(conditions=(GOOD,), volumes={"worker-2": 1})
    assert status(found, generation=3, before=before, now=NOW)["volumes"] == [{"host": "worker-2", "count": 1}]


def test_the_version_that_runs_is_never_forgotten() -> None:
    """Nodes follow it; a pass that fails does not know it. What failed is told until another pass knows better."""
    failed = Attempt("1.37.2", 3, "sha", "it crashes")
    found = Found(conditions=(GOOD,), version="1.36.3", failed=failed)
    plane = status(found, generation=3, before={}, now=NOW)["controlPlane"]
    assert plane["version"] == "1.36.3"
    assert plane["failed"] == [{"version": "1.37.2", "generation": 3, "bundle": "sha", "why": "it crashes"}]
    after = of(BAD, before={"controlPlane": plane})["controlPlane"]
    assert (after["version"], after["failed"]) == (plane["version"], plane["failed"])
    found = Found(conditions=(GOOD,), version="1.37.2")
    assert status(found, generation=3, before={"controlPlane": plane}, now=NOW)["controlPlane"]["failed"] == []

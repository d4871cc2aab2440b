"""Which version a control plane is to run, by what is asked for and what was tried."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment

from installer.controller.clusters import versions
from installer.controller.status import Attempt

ASKED = Attempt("1.37.2", 4, "sha-1")
FAILED = {"version": "1.37.2", "generation": 4, "bundle": "sha-1", "why": "it crashes"}
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}


@pytest.mark.parametrize(
    ("plane", "version", "whole"),
    [
        ({}, "1.37.2", "1.37.2"),
        ({"version": "1.36.3"}, "1.37.2", "1.36.3"),
        ({"version": "1.36.3", "failed": []}, "1.37.2", "1.36.3"),
        ({"version": "1.36.3", "failed": [FAILED]}, "1.36.3", "1.36.3"),
        ({"version": "1.36.3", "failed": [{**FAILED, "generation": 3}]}, "1.37.2", "1.36.3"),
        ({"version": "1.36.3", "failed": [{**FAILED, "bundle": "sha-2"}]}, "1.37.2", "1.36.3"),
        ({"version": "1.36.3", "failed": [{**FAILED, "version": "1.37.0"}]}, "1.37.2", "1.36.3"),
    ],
)
def test_the_same_is_tried_once(plane: dict[str, Any], version: str, whole: str) -> None:
    """A changed resource, or another bundle, is something else."""
    found = versions.course({"controlPlane": plane}, ASKED)
    assert (found.version, found.whole) == (version, whole)


@pytest.mark.parametrize(
    ("whole", "wanted", "why"),
    [
        ("1.36.3", "1.36.3", ""),
        ("1.36.3", "1.37.2", ""),
        ("1.36.3", "1.38.0", "by way of 1.37"),
        ("1.37.2", "1.36.3", "does not go back"),
    ],
)
def test_steps_are_counted_from_what_runs(whole: str, wanted: str, why: str) -> None:
    """Whatever the resource said in between."""
    refused = versions.refusal(versions.Course(whole, Attempt(wanted, 4, "sha-1"), None))
    assert bool(refused) == bool(why)
    assert why in (refused.message if refused else "")


@pytest.mark.parametrize(
    ("status", "given_up"),
    [
        ({}, False),
        ({"conditions": [LATE]}, False),
        ({"conditions": [LATE], "updatedReplicas": 1}, True),
        ({"conditions": [LATE, QUOTA]}, True),
        ({"conditions": [QUOTA]}, False),
        ({"conditions": [{**LATE, "reason": "ReplicaSetUpdated"}], "updatedReplicas": 1}, False),
        ({"conditions": [LATE], "updatedReplicas": 1, "observedGeneration": 1}, False),  # of another template
    ],
)
def test_when_pods_are_given_up(status: dict[str, Any], given_up: bool) -> None:
    """Once Kubernetes says so of pods that are there, or cannot even be made."""
    spec = {"selector": {}, "template": {"metadata": {}}}
    found = {"metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}
    assert versions.given_up(Deployment.from_dict(found)) is given_up


def test_only_another_version_is_given_up() -> None:
    """Pods that are replaced at the same version, or made for the first time, have nowhere to go back to."""
    first = versions.course({}, ASKED)
    assert versions.judged(first, "it crashes") == (first, [])
    on_its_way = versions.course({"controlPlane": {"version": "1.36.3"}}, ASKED)
    assert versions.judged(on_its_way, "") == (on_its_way, [])
    after, (told,) = versions.judged(on_its_way, "it crashes")
    assert (after.version, after.failed) == ("1.36.3", ASKED)
    assert told.warning
    assert told.message == "Kubernetes 1.37.2 does not come up: it crashes; back to 1.36.3"
    condition = versions.told(after)
    assert condition is not None
    assert "it crashes" in condition.message

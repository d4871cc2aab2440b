"""Clusters that cannot be made are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from installer.controller.clusters.wanted import parse, refusal
from installer.controller.status import Condition
from installer.spec.cluster import Cluster
from tests.unit.kubernetes import fixed


def resource(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team-a", "uid": "1"}, "spec": {"version": "1.36.3", **spec}}


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        ({"version": "1.35.0"}, "VersionRefused", "offers 1.36.3, 1.37.2"),
        ({"network": {"pods": "10.128.0.0/16"}}, "NetworkRefused", "overlaps the manager's pods 10.128.0.0/14"),
        ({"network": {"services": "10.127.4.0/24"}}, "NetworkRefused", "overlaps the manager's services"),
    ],
)
def test_refusals(spec: dict[str, Any], reason: str, said: str) -> None:
    """The reason is one word, the message says what would do."""
    found = parse(resource(**spec))
    assert isinstance(found, Cluster)
    refused = refusal(found, fixed.settings())
    assert refused is not None
    assert refused.reason == reason
    assert said in refused.message


def test_a_cluster_that_can_be_made_is_not_refused() -> None:
    """Whatever the API server adds to a resource's metadata."""
    found = parse(resource())
    assert isinstance(found, Cluster)
    assert refusal(found, fixed.settings()) is None


def test_a_resource_that_is_malformed_is_refused_by_path() -> None:
    """A value is not repeated: it may be a secret."""
    found = parse(resource(controlPlane={"replicas": "hunter2"}))
    assert isinstance(found, Condition)
    assert found.reason == "SpecRefused"
    assert "spec.controlPlane.replicas" in found.message
    assert "hunter2" not in found.message

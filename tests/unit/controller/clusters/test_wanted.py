"""Clusters that cannot be made are refused with a reason."""

from __future__ import annotations

import re
from typing import Any

import pytest

from installer.controller.clusters.wanted import parse, refusal
from installer.controller.status import Condition
from installer.kubernetes.settings import RegionSettings
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


@pytest.mark.parametrize(
    ("home", "regions", "said"),
    [
        ("north", ["north", "south"], ""),
        (None, ["south"], ""),
        ("east", [], "spec.controlPlane.region: the platform has no region east; it has north, south, plant"),
        (None, ["north", "west"], "spec.pools: general: the platform has no region west; it has north, south, plant"),
        (None, ["plant"], "spec.pools: general: no host of region plant carries nodes: give it one"),
        ("south", ["south"], "region south has no host with the role manager, .* choose one of north"),
    ],
)
def test_regions_that_cannot_be(home: str | None, regions: list[str], said: str) -> None:
    """By name: whoever writes a resource with kubectl is told by nobody else."""
    places = {"north": (1, True), "south": (0, True), "plant": (0, False)}
    settings = fixed.settings(
        regions={name: RegionSettings(managers=m, carries=c, grace_s=1800.0) for name, (m, c) in places.items()}
    )
    pool = {"name": "general", "kind": "shared", "regions": regions}
    found = parse(resource(controlPlane={"region": home} if home else {}, pools=[pool]))
    assert isinstance(found, Cluster)
    refused = refusal(found, settings)
    assert (refused.reason if refused else "") == ("RegionRefused" if said else "")
    assert re.search(said, refused.message if refused else "")


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

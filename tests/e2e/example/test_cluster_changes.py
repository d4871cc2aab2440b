"""A running cluster follows its resource: replicas, nodes, labels, taints, settings; what may not change is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.platform_under_test import PlatformUnderTest, eventually

_NAME = "moving"


@pytest.fixture(scope="module")
def moving(example: PlatformUnderTest) -> Iterator[PlatformUnderTest]:
    """The example with one more cluster, of one small node."""
    example.must("cluster", "create", _NAME, "--nodes", "1", "--cpu", "500m", "--memory", "1Gi")
    yield example
    example.must("cluster", "delete", _NAME, "--yes")


def nodes(moving: PlatformUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(moving.kubectl(_NAME, "get", "nodes", "-o", "json").stdout)["items"]
    return found


def patch(moving: PlatformUnderTest, spec: dict[str, Any], *, check: bool = True) -> bytes:
    """Change the resource as `kubectl patch` does; what kubectl says."""
    words = ("patch", "cluster", _NAME, "--type=merge", "-p", json.dumps({"spec": spec}))
    done = moving.kubectl("manager", *words, check=check)
    return done.stdout + done.stderr


def pool(**changed: Any) -> dict[str, Any]:
    return {"name": "general", "kind": "shared", "count": 1, "cpu": "500m", "memory": "1Gi", **changed}


def test_labels_and_taints_follow_without_a_new_node(moving: PlatformUnderTest) -> None:
    """What leaves the specification leaves the node, and nothing else does."""
    (before,) = nodes(moving)
    patch(moving, {"pools": [pool(labels={"disk": "fast"}, taints=[{"key": "only", "effect": "PreferNoSchedule"}])]})

    def marked() -> bool:
        (node,) = nodes(moving)
        keys = [taint["key"] for taint in node["spec"].get("taints", [])]
        return node["metadata"]["labels"].get("disk") == "fast" and keys == ["only"]

    eventually(marked, timeout_s=60, what="the node has the label and the taint")
    patch(moving, {"pools": [pool()]})
    eventually(
        lambda: "disk" not in nodes(moving)[0]["metadata"]["labels"] and not nodes(moving)[0]["spec"].get("taints"),
        timeout_s=60,
        what="the node has them no more",
    )
    assert nodes(moving)[0]["metadata"]["uid"] == before["metadata"]["uid"]


def test_nodes_and_replicas_are_scaled_both_ways(moving: PlatformUnderTest) -> None:
    """`cluster scale` waits until all wanted nodes serve; one that was emptied is a Node until its pod has ended."""
    moving.must("cluster", "scale", _NAME, "--nodes", "2", "--replicas", "2")
    assert len(nodes(moving)) == 2
    moving.must("cluster", "scale", _NAME, "--nodes", "1", "--replicas", "1")
    eventually(lambda: len(nodes(moving)) == 1, timeout_s=60, what="one node is left")


def test_a_node_that_is_made_differently_replaces_the_old_one(moving: PlatformUnderTest) -> None:
    """Its successor is ready first; the kubelet has the new setting."""
    (before,) = nodes(moving)
    patch(moving, {"pools": [pool(kubelet={"maxPods": 40})]})
    eventually(
        lambda: (
            [node["status"]["capacity"]["pods"] for node in nodes(moving)] == ["40"]
            and nodes(moving)[0]["metadata"]["uid"] != before["metadata"]["uid"]
        ),
        timeout_s=120,
        what="there is one node, and it is a new one",
    )
    events = moving.kubectl("manager", "describe", "cluster", _NAME).stdout.decode()
    assert "NodeCreated" in events
    assert "NodeRemoved" in events


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"network": {"domain": "other.local"}}, b"may not change after creation"),
        ({"version": "1.35.1"}, b"goes up one minor version at a time, and never back"),
        ({"version": "1.39.0"}, b"goes up one minor version at a time, and never back"),
        ({"pools": [pool(labels={"moorage.dev/mine": "1"})]}, b"labels and taints may not begin with"),
        ({"pools": [pool(kubelet={"maxPods": 4})]}, b"should be greater than or equal to 5"),
    ],
)
def test_what_may_not_be_is_refused_by_the_api(moving: PlatformUnderTest, spec: dict[str, Any], said: bytes) -> None:
    """By path and reason, before the controller sees it."""
    assert said in patch(moving, spec, check=False)

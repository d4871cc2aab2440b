"""Requested against free, host by host."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube.models.core_v1 import (
    Container,
    Node,
    NodeStatus,
    Pod,
    PodSpec,
    PodStatus,
    ResourceRequirements,
)
from lightkube.models.meta_v1 import ObjectMeta

from installer.controller.clusters.room import Room, explain, free, requested

GIB = 2**30


def pod(cpu: str, memory: str, *, host: str = "worker-1", phase: str = "Running") -> Pod:
    requests: dict[str, Any] = {"cpu": cpu, "memory": memory}
    container = Container(name="one", resources=ResourceRequirements(requests=requests))
    return Pod(spec=PodSpec(containers=[container], nodeName=host), status=PodStatus(phase=phase))


def host(name: str) -> Node:
    allocatable = {"cpu": "1900m", "memory": "4Gi"}
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(allocatable=allocatable))


def test_free_is_what_is_offered_without_what_is_reserved() -> None:
    """Pods that have ended reserve nothing, those elsewhere nothing here."""
    pods = [pod("500m", "1Gi"), pod("1", "2Gi", phase="Succeeded"), pod("1", "1Gi", host="worker-2")]
    left = free([host("worker-1"), host("worker-2")], pods)
    assert left == {"worker-1": Room(1400, 3 * GIB), "worker-2": Room(900, 3 * GIB)}


def test_a_container_without_requests_reserves_nothing() -> None:
    """Kubernetes places it anywhere."""
    assert requested(Pod(spec=PodSpec(containers=[Container(name="one")]))) == Room(0, 0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Room(100, 1 * GIB), ""),
        (Room(100, 4 * GIB), "a has 3.0 GiB of 4.0 GiB memory free; b has 2.0 GiB of 4.0 GiB memory free"),
        (Room(100, 3 * GIB), ""),
        (
            Room(2000, 3 * GIB),
            "a has 1000m of 2000m CPU free; b has 2.0 GiB of 3.0 GiB memory and 500m of 2000m CPU free",
        ),
    ],
)
def test_explanation(asked: Room, said: str) -> None:
    """Every host with what it lacks; nothing when one of them would do."""
    assert explain(asked, {"b": Room(500, 2 * GIB), "a": Room(1000, 3 * GIB)}) == said

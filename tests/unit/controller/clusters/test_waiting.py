"""Why a cluster's pods wait, as its conditions tell: no room, no image, a program that ends."""

from __future__ import annotations

from typing import Any, cast

import pytest
from lightkube.resources.core_v1 import Node, Pod

from installer.controller.clusters import waiting
from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api


class Manager:
    """A manager's nodes and pods."""

    def __init__(self, nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> None:
        self._held: dict[type, list[Any]] = {
            Node: [Node.from_dict(node) for node in nodes],
            Pod: [Pod.from_dict(pod) for pod in pods],
        }

    def list(self, kind: type, namespace: str | None = None, labels: Any = None) -> list[Any]:
        found = self._held[kind]
        if namespace in {None, "*"}:
            return found
        wanted = (labels or {}).items()
        return [
            one
            for one in found
            if one.metadata.namespace == namespace and wanted <= (one.metadata.labels or {}).items()
        ]


def node(name: str, *, memory: str, taints: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"taints": taints or []},
        "status": {"allocatable": {"cpu": "2", "memory": memory}},
    }


def pod(name: str, status: dict[str, Any], *, memory: str = "1Gi", host: str | None = None) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "cluster-a",
            "labels": {"moorage.dev/cluster": "a", "moorage.dev/part": "node"},
        },
        "spec": {
            "nodeName": host,
            "containers": [{"name": "node", "resources": {"requests": {"cpu": "50m", "memory": memory}}}],
        },
        "status": {"phase": "Pending", **status},
    }


def unplaced(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


def held_up(reason: str, message: str | None = None, ended: str | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    last = {"terminated": {"exitCode": 1, "message": ended}} if ended else {}
    container = {"name": "node", "ready": False, "restartCount": 0, "image": "", "imageID": "", "state": state}
    return {"containerStatuses": [{**container, "lastState": last}]}


def reasons(nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> str:
    api = cast(Api, Manager(nodes, pods))
    return waiting.reasons(api, "a", "node", Hosts(api, {}).free)


def test_a_node_pod_without_a_place_names_what_each_host_has_free() -> None:
    """Requested against free, for each host that may carry it; managers with their taint may not."""
    hosts = [
        node("manager-1", memory="64Gi", taints=[{"key": "x", "effect": "NoSchedule"}]),
        node("worker-1", memory="4Gi"),
        node("worker-2", memory="3Gi"),
    ]
    pods = [
        pod("a-1", {"phase": "Running"}, memory="3Gi", host="worker-1"),
        pod("a-2", unplaced("0/3 nodes are available"), memory="4Gi"),
    ]
    assert reasons(hosts, pods) == (
        "a-2 cannot be placed: worker-1 has 1.0 GiB of 4.0 GiB memory free; worker-2 has 3.0 GiB of 4.0 GiB memory free"
    )


def test_where_room_is_not_what_it_lacks_the_scheduler_is_quoted() -> None:
    """It knows of taints and volumes."""
    hosts = [node("worker-1", memory="8Gi")]
    said = "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints"
    assert reasons(hosts, [pod("a-1", unplaced(said))]) == f"a-1 cannot be placed: {said}"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            held_up("ErrImageNeverPull", 'image "x" is not present'),
            'a-1: node: ErrImageNeverPull: image "x" is not present',
        ),
        (held_up("CrashLoopBackOff"), "a-1: node: CrashLoopBackOff"),
        (
            held_up("CrashLoopBackOff", "back-off 40s", ended="starting\nno such flag: --x\n"),
            "a-1: node: CrashLoopBackOff: no such flag: --x",
        ),
        (
            held_up("CreateContainerConfigError", 'secret "a-1" not found'),
            'a-1: node: CreateContainerConfigError: secret "a-1" not found',
        ),
        (held_up("ContainerCreating"), ""),
        ({"phase": "Running"}, ""),
    ],
)
def test_what_a_kubelet_says_is_passed_on(status: dict[str, Any], told: str) -> None:
    """By pod and container; what is only on its way is nothing to tell."""
    assert reasons([], [pod("a-1", status, host="worker-1")]) == told

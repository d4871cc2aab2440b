"""A host that is to be empty for a while: what is noted on its node in the manager, and which pods that is about."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from installer.kubernetes import hosted, node_pod

# On a host's node, RFC 3339: the controller moves control planes and nodes of clusters away from it, each with its
# successor first; whoever wrote it evicts the rest.
SINCE: Final = "moorage.dev/drained-since"
# Beside it, on a host that does not come back: datastores replace the members that they have there.
LEAVES: Final = "moorage.dev/leaves"
_MIRROR: Final = "kubernetes.io/config.mirror"
_CONTROLLERS: Final = frozenset({hosted.CONTROL_PLANE, node_pod.PART})


def begin(since: str) -> dict[str, Any]:
    """A merge patch of the node: nothing new comes, what is there is moved."""
    return {"metadata": {"annotations": {SINCE: since}}, "spec": {"unschedulable": True}}


def leave(since: str) -> dict[str, Any]:
    """A merge patch of a node that is drained, and will not come back."""
    return {"metadata": {"annotations": {LEAVES: since}}}


def end() -> dict[str, Any]:
    """A merge patch of the node: everything may come again."""
    return {"metadata": {"annotations": {SINCE: None, LEAVES: None}}, "spec": {"unschedulable": None}}


def since(annotations: Mapping[str, str] | None) -> str:
    """Since when a node is drained; empty: it is not."""
    return (annotations or {}).get(SINCE, "")


def leaves(annotations: Mapping[str, str] | None) -> bool:
    """Whether a node will not come back."""
    return LEAVES in (annotations or {})


def is_moved_by_controller(labels: Mapping[str, str] | None) -> bool:
    """Whether a pod of the manager is one that the controller moves by itself."""
    return (labels or {}).get(hosted.ROLE_LABEL, "") in _CONTROLLERS


def stays_on_node(pod: Any) -> bool:
    """Whether a pod (lightkube) of a tenant stays on a node that is emptied: a DaemonSet's, the kubelet's own."""
    meta, phase = pod.metadata, pod.status.phase if pod.status else None
    owned = any(one.controller and one.kind == "DaemonSet" for one in meta.ownerReferences or ())
    return phase in {"Succeeded", "Failed"} or _MIRROR in (meta.annotations or {}) or owned


def stays(pod: Any, bound: Container[str]) -> bool:
    """Whether a pod of the manager (lightkube) is not moved: a DaemonSet's, the kubelet's own, one with data.

    `bound`: clusters with volumes on the host, whose nodes there stay with them.
    """
    meta, phase = pod.metadata, pod.status.phase if pod.status else None
    owners, labels = meta.ownerReferences or (), meta.labels or {}
    return (
        phase in {"Succeeded", "Failed"}
        or _MIRROR in (meta.annotations or {})
        or (labels.get(hosted.ROLE_LABEL) == node_pod.PART and labels.get(hosted.CLUSTER_LABEL) in bound)
        or any(one.controller and one.kind in {"DaemonSet", "StatefulSet"} for one in owners)
    )

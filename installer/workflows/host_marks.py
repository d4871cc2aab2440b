"""Labels and taints of hosts' nodes in the manager: a kubelet sets them as it registers, and never again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Node
from lightkube.types import PatchType

from installer.core.errors import KubernetesError
from installer.kubernetes import client, host, marks
from installer.spec.cluster_settings import Taint
from installer.workflows.session import Session

_TRIES: Final = 5


@dataclass(frozen=True)
class MarksChange:
    """What a node lacks, as a merge patch, and for people."""

    patch: dict[str, Any]
    text: str

    def __str__(self) -> str:
        return self.text


def due(session: Session) -> Mapping[str, MarksChange]:
    """The nodes that have other labels or taints than they are to have, by the name of their host.

    What others have set stays. Raises KubernetesError.
    """
    with client.translated("list the manager's nodes"):
        nodes = {client.name_of(node): node for node in session.api.list(Node)}
    found = {name: _change(nodes[name], _wanted(session, name)) for name in session.nodes if name in nodes}
    return {name: change for name, change in found.items() if change}


def set_due(session: Session) -> None:
    """Set all that is due. Raises KubernetesError."""
    for _ in range(_TRIES):
        if not (changes := due(session)):
            return
        for name, change in changes.items():
            try:
                with client.translated(f"set labels and taints of node {name}"):
                    session.api.patch(Node, name, change.patch, patch_type=PatchType.MERGE)
            except KubernetesError as exc:  # taints are one list, which Kubernetes' own controllers change, too
                if not (isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == HTTPStatus.CONFLICT):
                    raise
    raise KubernetesError(f"somebody else goes on changing nodes: {', '.join(changes)}", hint="repeat `moorage up`")


def _wanted(session: Session, name: str) -> marks.Marks:
    output = session.nodes[name]
    labels = host.node_labels(role=output.role, region=output.region, zone=output.zone, labels=output.labels)
    taints = host.node_taints(output.role, workers=len(session.nodes) - len(session.managers))
    return marks.Marks(labels, [Taint.model_validate(taint) for taint in taints])


def _change(node: Any, wanted: marks.Marks) -> MarksChange | None:
    patch = marks.patch(wanted, node.metadata, node.spec)
    if patch is None:
        return None
    labels = [
        f"{key}={value}" if value is not None else f"{key}-" for key, value in patch["metadata"]["labels"].items()
    ]
    seen = [taint.to_dict() for taint in node.spec.taints or ()]
    parts = [f"labels {', '.join(labels)}"] if labels else []
    parts += ["taints"] if patch["spec"]["taints"] != seen else []
    return MarksChange(patch, "; ".join(parts) or "note which labels and taints are ours")

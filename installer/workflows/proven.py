"""Which release a host has proven itself on: noted in the manager, so that whoever goes on from there need not ask."""

from __future__ import annotations

from typing import Final

from lightkube.resources.core_v1 import Node
from lightkube.types import PatchType

from installer.core.errors import KubernetesError
from installer.kubernetes import client
from installer.workflows.session import Session

_ANNOTATION: Final = "moorage.dev/proven"  # of a Node of the manager: the digest of a bundle


def is_noted(session: Session, name: str) -> bool:
    """Whether a host has proven itself on the session's bundle; not while no API server answers."""
    try:
        with client.translated(f"read node {name}"):
            found = session.api.get(Node, name)
    except KubernetesError:
        return False
    annotations = found.metadata.annotations if found.metadata else None
    return (annotations or {}).get(_ANNOTATION) == session.bundle.digest


def note(session: Session, name: str) -> None:
    """Note that it has; raises KubernetesError."""
    change = {"metadata": {"annotations": {_ANNOTATION: session.bundle.digest}}}
    with client.translated(f"note what {name} has proven"):
        session.api.patch(Node, name, change, patch_type=PatchType.MERGE)

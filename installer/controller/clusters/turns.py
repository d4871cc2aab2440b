"""Whether a control plane that is to be another waits for its turn: decided by what its Deployment says of itself.

A new bundle, other members of a datastore or other authorities change all control planes in the same moment. So that
not all of them start anew at once, such a change waits in the queue of those that start. What somebody asks of one
cluster does not, nor what mends one that does not serve, or leaves a host that is to be empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from installer.controller.status import Condition
from installer.kubernetes import documents, hosted
from installer.kubernetes.cluster_status import QUEUED
from installer.kubernetes.documents import Document

# Annotations of the Deployment: the generation of the Cluster that it was made for, and what its pods are made from.
_MADE_FOR: Final = "moorage.dev/generation"
_TEMPLATE: Final = "moorage.dev/template"


def marked(deployment: Mapping[str, Any], generation: int) -> Document:
    """The Deployment, such that the next pass, of whatever controller, can tell what has changed since."""
    found = documents.digest(deployment["spec"]["template"])
    marks = {_MADE_FOR: str(generation), _TEMPLATE: found}
    meta = deployment["metadata"]
    return {**deployment, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **marks}}}


def differs(before: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether pods are made or replaced when a Deployment (lightkube; None: there is none) becomes the `wanted` one."""
    has = (before.metadata.annotations or {}) if before is not None else {}
    return bool(has.get(_TEMPLATE) != wanted["metadata"]["annotations"][_TEMPLATE])


def may_wait(before: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether it becomes the `wanted` one only when it is its turn."""
    if before is None or not (before.status and before.status.readyReplicas):
        return False
    has, gets = before.metadata.annotations or {}, wanted["metadata"]["annotations"]
    if not differs(before, wanted) or has.get(_MADE_FOR, gets[_MADE_FOR]) != gets[_MADE_FOR]:
        return False
    template = before.spec.template.metadata
    moves = hosted.moved(wanted["spec"]["template"]["metadata"]["annotations"])
    return hosted.moved(template.annotations if template else None) == moves


def queued(ready: int, wanted: int, ahead: int) -> Condition:
    """What a control plane that waits says of itself."""
    others = "1 other control plane starts" if ahead == 1 else f"{ahead} other control planes start"
    message = f"{ready} of {wanted} replicas are ready, as before; {others} anew before it does"
    return Condition("ControlPlaneReady", False, QUEUED, message)

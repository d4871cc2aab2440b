"""A host emptied before it is changed: what the manager runs there moves away, and may come back afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node, Pod
from lightkube.types import PatchType

from installer.core.clock import SystemClock, wait_until
from installer.core.errors import InstallerError, WaitTimeoutError
from installer.engine.events import Note, StepReport
from installer.kubernetes import client, draining
from installer.spec.quantity import seconds
from installer.workflows import clusters, dedicated_hosts
from installer.workflows.session import Session

_NAMED: Final = 4
_EVERY_S: Final = 1.0
_FORCED_S: Final = 120.0  # pods end within their grace period, which is seldom longer


def since(session: Session, name: str) -> str:
    """Since when a host is emptied (RFC 3339); empty: it is not."""
    api = session.api_of(name)
    if api is None:
        return ""
    with client.translated(f"read node {name}"):
        node = api.get(Node, name)
    return draining.since(node.metadata.annotations if node.metadata else None)


def begin(session: Session, name: str) -> None:
    """From now on nothing new comes, and the controller moves what it looks after."""
    if not since(session, name):
        _patch(session.api_of(name), name, draining.begin(datetime.now(UTC).isoformat(timespec="seconds")))


def empty(session: Session, name: str, report: StepReport) -> None:
    """Begin, and return once it is empty; see `await_empty`."""
    begin(session, name)
    await_empty(session, name, report)


def leave(session: Session, name: str) -> None:
    """It will not come back: datastores replace the members that they have there."""
    _patch(session.api, name, draining.leave(datetime.now(UTC).isoformat(timespec="seconds")))


def end(session: Session, name: str) -> None:
    """Everything may come again."""
    if since(session, name):
        _patch(session.api_of(name), name, draining.end())


def await_empty(session: Session, name: str, report: StepReport) -> None:
    """Return once everything is away that can be; budgets are respected, unless the specification says to force it.

    A dedicated host is emptied by the controller alone, as its pool says. Raises WaitTimeoutError that says what is
    still there, and why.
    """
    if name in session.hosts and session.hosts[name].role == "dedicated":  # else it may be one that leaves
        dedicated_hosts.await_empty(session, name, report)
        return
    upgrades = session.platform.spec.upgrades
    try:
        _await_empty(session, name, report, seconds(upgrades.drain_timeout))
    except WaitTimeoutError as exc:
        if not upgrades.force_drain:
            raise
        report.emit(Note(f"{name}: forced: {exc.what}"))
        for pod in leaving(session, name):
            with client.translated(f"delete {_path(pod)}"):
                session.api.delete(Pod, pod.metadata.name, namespace=pod.metadata.namespace)
        _await_empty(session, name, report, _FORCED_S)


def _await_empty(session: Session, name: str, report: StepReport, timeout_s: float) -> None:
    refused: dict[str, str] = {}

    def full() -> str | None:
        left = leaving(session, name)
        for pod in left:
            if not draining.is_moved_by_controller(pod.metadata.labels) and pod.metadata.deletionTimestamp is None:
                refused[_path(pod)] = _evict(session.api, pod)
        if not left:
            return None
        reason = _told(left, refused)
        report.waiting(reason)
        return reason

    wait_until(
        full,
        what=f"{name} is empty",
        timeout_s=timeout_s,
        clock=SystemClock(),
        every_s=_EVERY_S,
        streak=2,
        hint="mend what holds it up (`moorage status`), or give it more time: spec.upgrades.drainTimeout",
    )


def leaving(session: Session, name: str) -> list[Any]:
    """The pods on a host (lightkube) that are to go, and are there still."""
    with client.translated(f"list the pods on {name}"):
        pods = list(session.api.list(Pod, namespace="*", fields={"spec.nodeName": name}))
    bound = clusters.hosts_with_volumes(session).get(name, ())
    return [pod for pod in pods if not draining.stays(pod, bound)]


def _evict(api: Client, pod: Any) -> str:
    """Why a pod may not go yet; empty when it goes."""
    meta = pod.metadata
    try:
        with client.translated(f"evict {_path(pod)}"):
            api.create(Pod.Eviction(metadata=ObjectMeta(name=meta.name, namespace=meta.namespace)), meta.name)
    except InstallerError as exc:
        refused = exc.__cause__
        if isinstance(refused, ApiError) and refused.status.code == HTTPStatus.NOT_FOUND:
            return ""
        return exc.what
    return ""


def _told(left: Sequence[Any], refused: Mapping[str, str]) -> str:
    named = [f"{_path(pod)}{f' ({why})' if (why := refused.get(_path(pod))) else ''}" for pod in left[:_NAMED]]
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"still there: {', '.join(named)}{more}"


def _path(pod: Any) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def _patch(api: Client | None, name: str, patch: dict[str, Any]) -> None:
    if api is None:
        return
    with client.translated(f"change node {name}"):
        api.patch(Node, name, patch, patch_type=PatchType.MERGE)

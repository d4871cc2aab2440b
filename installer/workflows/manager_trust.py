"""Pods of the manager that ask its API while its authorities change: whom they are told to trust, and when they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from lightkube.resources.core_v1 import ConfigMap, Pod

from installer.core import clock
from installer.kubernetes import addons, client, documents, speakers
from installer.workflows.session import Session

_TIMEOUT_S: Final = 180
_PUBLISHED: Final = "kube-root-ca.crt"  # written into every namespace, and mounted into every such pod
# Those of ours, by namespace, label and its value. They read at start whom they trust.
_OURS: Final = (
    (addons.SYSTEM, "app", addons.CONTROLLER),
    (speakers.NAMESPACE, "app", speakers.SPEAKER),
    ("kube-system", "k8s-app", "kube-dns"),
)


def await_published(session: Session, waiting: Callable[[str], None]) -> None:
    """Return once pods that start are told of the authorities as they are now."""
    _wait(lambda: _unpublished(session), "the manager's namespaces are told of its authorities", waiting)


def await_followed(session: Session, waiting: Callable[[str], None]) -> None:
    """Return once all pods of ours were started with the authorities as they are now, and are ready."""
    _wait(lambda: next(_behind(session), None), "what runs in the manager trusts its authorities", waiting)


def _unpublished(session: Session) -> str | None:
    wanted = session.roots.authorities["kubernetes"].trusted.strip()
    with client.translated("read what pods of the manager trust"):
        for namespace in sorted({where for where, _, _ in _OURS}):
            for found in session.api.list(ConfigMap, namespace=namespace, fields={"metadata.name": _PUBLISHED}):
                if (found.data or {}).get("ca.crt", "").strip() != wanted:
                    return f"the controller manager has not told namespace {namespace} yet"
    return None


def _behind(session: Session) -> Iterator[str]:
    wanted = documents.digest(session.roots.authorities["kubernetes"].trusted)
    with client.translated("look at what runs in the manager"):
        for namespace, label, value in _OURS:
            for pod in session.api.list(Pod, namespace=namespace, labels={label: value}):
                if why := _why(pod, wanted):
                    yield f"{client.name_of(pod)} {why}"


def _why(pod: Any, wanted: str) -> str:
    if pod.metadata.deletionTimestamp is not None:
        return "ends"
    if (pod.metadata.annotations or {}).get(addons.AUTHORITIES) != wanted:
        return "starts anew"
    conditions = (pod.status.conditions or ()) if pod.status else ()
    return "" if any(one.type == "Ready" and one.status == "True" for one in conditions) else "is not ready"


def _wait(behind: Callable[[], str | None], what: str, waiting: Callable[[str], None]) -> None:
    def check() -> str | None:
        try:
            reason = behind()
        except client.ApiUnavailableError as exc:
            reason = str(exc)
        if reason:
            waiting(reason)
        return reason

    clock.wait_until(
        check,
        what=what,
        timeout_s=_TIMEOUT_S,
        clock=clock.SystemClock(),
        every_s=0.5,
        hint="`moorage status`, then `moorage certs rotate` again: it goes on from there",
    )

"""Waiting for the manager's API servers and nodes."""

from __future__ import annotations

from lightkube.resources.core_v1 import Node

from installer.core import clock
from installer.engine.events import StepReport
from installer.kubernetes import client
from installer.workflows.session import Session

_TIMEOUT_S = 180


def await_api(session: Session, report: StepReport) -> None:
    """Wait until an API server of the manager is ready."""
    authority = session.roots.authorities["kubernetes"]

    def unready() -> str | None:
        reasons = {
            session.api_address(name): client.not_ready(session.api_server(name), authority.trusted)
            for name in session.managers
        }
        if None in reasons.values():
            return None
        lines = [f"{server}: {reason}" for server, reason in reasons.items()]
        report.waiting(lines[0])
        return "; ".join(lines)

    clock.wait_until(
        unready,
        what="the manager's API is ready",
        timeout_s=_TIMEOUT_S,
        clock=clock.SystemClock(),
        every_s=0.25,
        hint="on a manager host: `journalctl -u kube-apiserver -u etcd -n 50`",
    )


def await_nodes(session: Session, report: StepReport) -> None:
    """Wait until every host is a ready node."""

    def unready() -> str | None:
        ready = {client.name_of(node) for node in session.api.list(Node) if is_ready(node)}
        missing = sorted(set(session.nodes) - ready)
        if not missing:
            return None
        report.waiting(f"not ready yet: {', '.join(missing)}")
        return f"not ready: {', '.join(missing)}"

    clock.wait_until(
        unready,
        what="every host is a ready node of the manager",
        timeout_s=_TIMEOUT_S,
        clock=clock.SystemClock(),
        hint="on that host: `journalctl -u kubelet -u containerd -n 50`",
    )


def is_ready(node: Node) -> bool:
    """Whether a node says that it is ready."""
    conditions = (node.status.conditions or []) if node.status else []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)

"""Waiting for the manager's API servers."""

from __future__ import annotations

from installer.core import clock
from installer.engine.events import StepReport
from installer.kubernetes import client, host
from installer.workflows.session import Session

_TIMEOUT_S = 180


def await_api(session: Session, report: StepReport) -> None:
    """Wait until an API server of the manager is ready."""
    authority = session.roots.authorities["kubernetes"]

    def unready() -> str | None:
        reasons = {server: client.not_ready(server, authority.cert_pem) for server in session.api_servers}
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


def await_api_server(session: Session, name: str, report: StepReport) -> None:
    """Wait until the API server of one manager host is ready, which takes an etcd with a quorum behind it."""
    server = f"https://{session.hosts[name].address}:{host.API_PORT}"
    authority = session.roots.authorities["kubernetes"]

    def unready() -> str | None:
        if (reason := client.not_ready(server, authority.cert_pem)) is not None:
            report.waiting(f"its API server: {reason}")
        return reason

    clock.wait_until(
        unready,
        what="its API server is ready",
        timeout_s=_TIMEOUT_S,
        clock=clock.SystemClock(),
        every_s=0.25,
        hint=f"on {name}: `journalctl -u kube-apiserver -u etcd -n 50`",
    )

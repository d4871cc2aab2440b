"""Steps drain-host and release-host: a host is empty while its kubelet or what runs containers goes to another line."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import KubernetesError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import dedicated_hosts, host_changes, host_drain, releases
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("drain-host")
class DrainHost:
    """Pods with data on the host stay and run on; all others go, each with its successor first where it has one."""

    title = "drain"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not host_changes.serves(session, target.name):
            return ()
        if not _needed(session, target.name):
            return ()
        return (Change(target.name, Action.RUN, "move away what runs there"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        host_drain.begin(session, target.name)

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        host_drain.await_empty(session, target.name, report)

    def undo(self, session: Session, target: Target, report: StepReport) -> None:
        host_drain.end(session, target.name)


def _needed(session: Session, name: str) -> bool:
    if host_changes.is_dedicated(session, name):
        return dedicated_hosts.stays(session, name) and dedicated_hosts.needs_drain(session, name)
    return releases.needs_drain(session.facts(name), session.bundle)


@STEPS.step("release-host")
class ReleaseHost:
    """Also for a host that an earlier run was killed on."""

    title = "let pods in again"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not host_changes.serves(session, target.name):
            return ()
        try:
            drained = host_drain.since(session, target.name)
        except KubernetesError:  # for a preview; what comes before has waited for the API
            return ()
        return (Change(target.name, Action.UPDATE, self.title),) if drained else ()

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        host_drain.end(session, target.name)

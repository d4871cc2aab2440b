"""Steps leave-host and forget-host: a host that the specification no longer has leaves the platform."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import KubernetesError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import leaving
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("leave-host")
class LeaveHost:
    """It serves until its pods are elsewhere and etcd is without it; then everything of ours is removed from it."""

    title = "leave"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if session.leaving[target.name].role == "dedicated":  # `free-host`, once its cluster lets it go
            return ()
        if session.gone(target.name) or not leaving.has_anything(session, target.name):
            return ()
        return (Change(target.name, Action.DELETE, "move away what runs there, then remove what was installed"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        leaving.leave(session, target.name, report)


@STEPS.step("forget-host")
class ForgetHost:
    """Before anything else is done with etcd: one member less that does not answer."""

    title = "forget"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not session.gone(target.name) or not leaving.is_known(session, target.name):
            return ()
        try:
            lost = leaving.keeps(session, target.name, gone=True)
        except KubernetesError:
            lost = ()
        told = f"; lost with it: {'; '.join(lost)}" if lost else ""
        return (Change(target.name, Action.DELETE, f"it does not answer: take it out of the manager{told}"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        leaving.forget(session, target.name, report)

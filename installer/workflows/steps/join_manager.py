"""Step join-manager: a manager comes to those that serve: a learner of their etcd first, then all the rest."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import changing, etcd_members
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("join-manager")
class JoinManager:
    """The others learn of it when they are changed, once it has its vote. Killed anywhere, it goes on from there."""

    title = "join"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not etcd_members.joins(session, target.name):
            return ()
        return (Change(target.name, Action.CREATE, "learner of etcd until it has caught up, then all the rest"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        peers = etcd_members.admit(session, target.name)
        changing.bring(session, target.name, session.bundle, report, peers=peers)

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        changing.settle(session, target.name, session.bundle)

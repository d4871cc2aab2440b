"""Steps free-host and join-cluster: a dedicated host leaves the cluster that it was in, and joins another."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import changing, dedicated_hosts, host_changes
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("free-host")
class FreeHost:
    """No pool names it any more, or one of another cluster does: what was installed goes, as if it had never been."""

    title = "free"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        name = target.name
        if not dedicated_hosts.has_anything(session, name) or dedicated_hosts.stays(session, name):
            return ()
        told = f"leave cluster {dedicated_hosts.had(session, name)}: move away what runs there, then remove everything"
        return (Change(name, Action.DELETE, told),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        dedicated_hosts.free(session, target.name, report)


@STEPS.step("join-cluster")
class JoinCluster:
    """By certificates that are made here: the host has nothing else of the manager's, and no token."""

    title = "join"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        found = dedicated_hosts.place(session, target.name)
        if found is None or (host_changes.serves(session, target.name) and dedicated_hosts.stays(session, target.name)):
            return ()
        told = f"join cluster {found.cluster.name} as a node of pool {found.pool.name}"
        return (Change(target.name, Action.CREATE, told),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        dedicated_hosts.join(session, target.name, report)

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        changing.settle(session, target.name, session.bundle)

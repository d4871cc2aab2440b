"""Step remove-hosts: the stacks take down what they made; from hosts that stay, what Moorage installed goes."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.provision.changes import ResourceEvent
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("remove-hosts")
class RemoveHosts:
    """A host that cannot be reached any more does not hold the others up: its machine is removed all the same."""

    title = "remove"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not session.infrastructure.exists():
            return ()
        lines = tuple(
            f"{host.role} {host.name} ({host.address})" for host in (*session.hosts.values(), *session.leaving.values())
        )
        return (Change(target.name, Action.DELETE, "its hosts, clusters, data and root secrets", lines),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        def tell(event: ResourceEvent) -> None:
            report.progress(str(event))

        session.infrastructure.destroy(tell)
        session.provide(None)

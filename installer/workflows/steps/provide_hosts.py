"""Step provide-hosts: the Pulumi stacks make, change or verify the hosts."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import InfrastructureError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.provision.changes import ResourceChange, ResourceEvent
from installer.spec.hosts import wanted_hosts
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

_ACTIONS = {
    "create": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
}


@STEPS.step("provide-hosts")
class ProvideHosts:
    """A host that carries anything is never removed or replaced from here."""

    title = "provide"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        changes = session.infrastructure.preview()
        return [
            _change(region, change) for region, found in changes.items() for change in found if change.op in _ACTIONS
        ]

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        _refuse_losses(session)

        def tell(event: ResourceEvent) -> None:
            report.progress(str(event))

        session.provide(session.infrastructure.up(tell))


def _change(region: str, change: ResourceChange) -> Change:
    kind = change.type.rsplit(":", 1)[-1].lower()
    return Change(region, _ACTIONS[change.op], f"{kind} {change.name}", change.detail)


def _refuse_losses(session: Session) -> None:
    """Removing a host takes more than its machine: its etcd member, its pods. That has a command of its own."""
    wanted = {host.name for host in wanted_hosts(session.platform)}
    if lost := sorted(set(session.hosts) - wanted):
        raise InfrastructureError(
            f"the specification no longer has {', '.join(lost)}, which may carry members and nodes",
            hint="put them back into the specification; removing hosts from a running platform is not supported yet",
        )

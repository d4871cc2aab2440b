"""Step provide-hosts: the Pulumi stacks make, change or verify the hosts."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.provision.changes import ResourceChange, ResourceEvent
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
    """A host that carries anything never goes from here: `refused` has seen to that before."""

    title = "provide"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        changes = session.infrastructure.preview()
        return [
            _change(region, change) for region, found in changes.items() for change in found if change.op in _ACTIONS
        ]

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        def tell(event: ResourceEvent) -> None:
            report.progress(str(event))

        session.provide(session.infrastructure.up(tell))


def _change(region: str, change: ResourceChange) -> Change:
    kind = change.type.rsplit(":", 1)[-1].lower()
    return Change(region, _ACTIONS[change.op], f"{kind} {change.name}", change.detail)

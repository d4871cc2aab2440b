"""Steps provide-hosts and let-hosts-go: the Pulumi stacks make, change or verify hosts; at the end, some go."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.provision.changes import ResourceChange, ResourceEvent
from installer.workflows import await_hosts
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

_ACTIONS = {
    "create": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
}


_MADE = {"create", "replace", "create-replacement"}


@STEPS.step("provide-hosts")
class ProvideHosts:
    """No host goes from here: those that the specification no longer has stay until they are empty."""

    title = "provide"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        changes = session.infrastructure.preview()
        return [
            _change(region, change) for region, found in changes.items() for change in found if change.op in _ACTIONS
        ]

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        made = set()

        def tell(event: ResourceEvent) -> None:
            report.progress(str(event))
            if event.op in _MADE:
                made.add(event.name)

        session.provide(session.infrastructure.up(tell, session.gone_for_good))
        await_hosts.await_logins(session, made, report)


@STEPS.step("let-hosts-go")
class LetHostsGo:
    """Those that `leave-host` has emptied; a machine of our own is deleted."""

    title = "let go"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        return [
            Change(host.region, Action.DELETE, f"{host.role} {host.name} ({host.address})")
            for host in session.leaving.values()
        ]

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        def tell(event: ResourceEvent) -> None:
            report.progress(str(event))

        session.provide(session.infrastructure.let_go(tell, session.gone_for_good))


def _change(region: str, change: ResourceChange) -> Change:
    kind = change.type.rsplit(":", 1)[-1].lower()
    why = ""
    if change.gone:
        why = ", which is gone"
    elif change.op == "replace" and change.detail:
        why = f", since {', '.join(change.detail)} cannot change in place"
    return Change(region, _ACTIONS[change.op], f"{kind} {change.name}{why}", change.detail)

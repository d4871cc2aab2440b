"""Step install-host: a host that carries nothing yet gets everything, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import InstallerError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.hostops import apply
from installer.transport.connection import Event
from installer.workflows import etcd_members, host_changes
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("install-host")
class InstallHost:
    """Nobody depends on it yet: all at once, and whether it serves is seen when the manager is set up.

    Not a manager that comes to others: `join-manager`. Not a dedicated host: `join-cluster`.
    """

    title = "install"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if host_changes.serves(session, target.name) or host_changes.is_dedicated(session, target.name):
            return ()
        if host_changes.is_manager(session, target.name) and etcd_members.joins(session, target.name):
            return ()
        return (Change(target.name, Action.CREATE, "install everything"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        def tell(event: Event) -> None:
            report.progress(str(event.get("step", "")))

        name = target.name
        try:
            apply.apply(
                session.connection(name),
                session.wanted(name),
                session.facts(name),
                host_changes.todo(session, name),
                release=session.bundle.digest,
                on_event=tell,
            )
        except InstallerError as exc:
            exc.hint = exc.hint or "mend the cause and repeat `moorage up`: it goes on from what it finds"
            raise
        finally:
            session.forget(name)
        session.facts(name)  # side by side with the others; what follows asks one after the other

"""Step take-snapshot: all that the manager knows, kept and read again before a newer release touches it."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import GuardError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import etcd_members, host_changes, releases, snapshots
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("take-snapshot")
class TakeSnapshot:
    """Only where a manager is going to another release."""

    title = "keep the manager's data"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        going = [name for name in session.managers if _goes(session, name)]
        if not going:
            return ()
        before = ", ".join(sorted({releases.name_of(session.facts(name)) for name in going}))
        return (Change(target.name, Action.RUN, f"a snapshot of the manager's etcd, before {before} is left"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        seen = etcd_members.look(session)
        problems = {name: member.problem for name, member in sorted(seen.items())}
        well = next((name for name, problem in problems.items() if not problem), None)
        if well is None:
            told = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
            raise GuardError(f"no etcd member gives a snapshot: {told}", hint="`moorage status`")
        taken = snapshots.take(session.connection(well))
        report.progress(f"{taken.keys} keys in {well}:{taken.path}")


def _goes(session: Session, name: str) -> bool:
    if not host_changes.serves(session, name):
        return False
    had = session.facts(name).manifest.release
    return bool(had) and had != session.bundle.digest

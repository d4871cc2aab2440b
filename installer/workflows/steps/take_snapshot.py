"""Step take-snapshot: all that the manager knows, kept and read again before a newer release touches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from installer.core import clock
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import etcd_members, host_changes, releases, snapshots
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

_STARTS_S: Final = 60


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
        well = _any_well(session, report)
        taken = snapshots.take(session.connection(well))
        report.progress(f"{taken.keys} keys in {well}:{taken.path}")


def _any_well(session: Session, report: StepReport) -> str:
    """A manager whose member answers; where none does, all are started first."""
    found = ""

    def silent() -> str | None:
        nonlocal found
        seen = etcd_members.look(session)
        found = next((name for name, member in sorted(seen.items()) if not member.problem), "")
        return None if found else "; ".join(f"{name}: {one.problem}" for name, one in sorted(seen.items()))

    if (reason := silent()) is not None:
        report.waiting(reason)
        etcd_members.start(session, session.managers)
        clock.wait_until(
            silent,
            what="an etcd member gives a snapshot",
            timeout_s=_STARTS_S,
            clock=clock.SystemClock(),
            hint="on a manager: `journalctl -u etcd -n 50`",
        )
    return found


def _goes(session: Session, name: str) -> bool:
    if not host_changes.serves(session, name):
        return False
    had = session.facts(name).manifest.release
    return bool(had) and had != session.bundle.digest

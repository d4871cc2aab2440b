"""Step put-back-host: a host runs the release again that it had before."""

from __future__ import annotations

from collections.abc import Sequence

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.workflows import changing, host_changes, host_drain, releases, way
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("put-back-host")
class PutBackHost:
    """A worker is emptied before; a manager goes back in place, as it came."""

    title = "put back"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not host_changes.serves(session, target.name):
            return ()
        seen = session.facts(target.name)
        digest = releases.goes_back_to(seen)
        if not digest or way.reason_to_stay(session, target.name, seen):
            return ()
        return (Change(target.name, Action.UPDATE, f"back to {seen.releases[digest]}"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        name = target.name
        seen = session.facts(name)
        if name not in session.managers:
            host_drain.empty(session, name, report)
        changing.put_back(session, name, releases.goes_back_to(seen), report)

    def undo(self, session: Session, target: Target, report: StepReport) -> None:
        host_drain.end(session, target.name)

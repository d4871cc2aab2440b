"""Bring a platform to what its specification says."""

from __future__ import annotations

from installer.engine import saved
from installer.engine.plan import Plan
from installer.engine.runner import RunResult
from installer.workflows import preview, refused, runs
from installer.workflows.session import Session

COMMAND = "moorage up"


def up(session: Session, plan: Plan | None = None, *, command: str = COMMAND) -> RunResult:
    """Run the playbook; with `plan`, only if that is still what would be done. A second run changes nothing.

    `command`: what the user said, for the lock and the journal.
    """
    with runs.locked(session, command):
        refused.require_allowed(session)
        if plan is not None:
            saved.require_same(plan, preview.preview(session))
        return runs.run(session, preview.up_playbook(session), command, session)

"""Bring a platform to what its specification says."""

from __future__ import annotations

from installer.engine import saved
from installer.engine.plan import Plan
from installer.engine.runner import RunResult
from installer.workflows import preview, refused, runs
from installer.workflows.session import Session

_COMMAND = "moorage up"


def up(session: Session, plan: Plan | None = None) -> RunResult:
    """Run the playbook; with `plan`, only if that is still what would be done. A second run changes nothing."""
    with runs.locked(session, _COMMAND):
        refused.require_allowed(session)
        if plan is not None:
            saved.require_same(plan, preview.preview(session))
        return runs.run(session, preview.up_playbook(session), _COMMAND)

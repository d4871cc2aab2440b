"""Take a platform down and leave nothing of it."""

from __future__ import annotations

from installer.engine import playbook
from installer.engine import preview as engine
from installer.engine.plan import Plan
from installer.engine.playbook import Playbook
from installer.engine.runner import RunResult
from installer.workflows import preview as previews
from installer.workflows import runs
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session

COMMAND = "moorage destroy"


def preview(session: Session) -> Plan:
    """What `destroy` would do."""
    return engine.preview(_playbook(session), session)


def destroy(session: Session) -> RunResult:
    """Run the playbook; a second run finds nothing to do."""
    with runs.locked(session, COMMAND):
        return runs.run(session, _playbook(session), COMMAND, session)


def _playbook(session: Session) -> Playbook[Session]:
    return previews.with_user_steps(session, playbook.shipped("destroy", steps=STEPS, guards=GUARDS))

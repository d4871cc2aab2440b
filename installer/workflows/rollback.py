"""Bring hosts back to the release they had before, as far as that is safe, and say what stays and why."""

from __future__ import annotations

from installer.engine import playbook
from installer.engine import preview as engine
from installer.engine.plan import Plan
from installer.engine.playbook import Playbook
from installer.engine.runner import RunResult
from installer.workflows import runs, steps, way  # noqa: F401 - steps are registered
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session

COMMAND = "moorage rollback"


def preview(session: Session) -> Plan:
    """What `rollback` would do."""
    return engine.preview(_playbook(session), session)


def rollback(session: Session) -> RunResult:
    """Run the playbook; a second run finds nothing to do. A platform that was paused is let go on, this way."""
    runs.pause(session).end()
    with runs.locked(session, COMMAND):
        return runs.run(session, _playbook(session), COMMAND, session)


def common_release(session: Session) -> str:
    """The release that all hosts are on; empty where they differ."""
    found = set(way.on_hosts(session).values())
    return found.pop() if len(found) == 1 else ""


def _playbook(session: Session) -> Playbook[Session]:
    share = session.platform.spec.upgrades.max_unavailable
    return playbook.shipped("rollback", steps=STEPS, guards=GUARDS, max_unavailable=share)

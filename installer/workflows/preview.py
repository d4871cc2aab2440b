"""What `up` would do, without doing it."""

from __future__ import annotations

from installer.engine import playbook, user_steps
from installer.engine import preview as engine
from installer.engine.plan import Plan
from installer.engine.playbook import Playbook
from installer.workflows import refused, steps  # noqa: F401 - steps are registered
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session
from installer.workflows.user_scripts import Scripts


def preview(session: Session) -> Plan:
    """The plan of `up`, by facts as they are now; raises SpecError for changes that cannot be followed."""
    refused.require_allowed(session)
    return engine.preview(up_playbook(session), session)


def up_playbook(session: Session) -> Playbook[Session]:
    """The playbook that comes with Moorage, with the user's own steps in their places."""
    share = session.platform.spec.upgrades.max_unavailable
    return with_user_steps(session, playbook.shipped("up", steps=STEPS, guards=GUARDS, max_unavailable=share))


def with_user_steps(session: Session, shipped: Playbook[Session]) -> Playbook[Session]:
    """A shipped playbook with the steps from the directory beside the specification."""
    return user_steps.insert(shipped, session.spec.directory / user_steps.DIRECTORY, Scripts())

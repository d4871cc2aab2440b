"""What `up` would do, without doing it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from installer.engine import playbook, user_steps
from installer.engine import preview as engine
from installer.engine.plan import Plan
from installer.engine.playbook import Phase, Playbook
from installer.spec import costs, specification
from installer.workflows import refused, steps  # noqa: F401 - steps are registered
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session
from installer.workflows.steps import prove_host
from installer.workflows.user_scripts import Scripts


def preview(session: Session) -> Plan:
    """The plan of `up`, by facts as they are now; raises SpecError for changes that cannot be followed."""
    refused.require_allowed(session)
    return engine.preview(up_playbook(session), session)


def with_costs(session: Session, plan: Plan, prices: Path | None) -> Plan:
    """The plan with what the platform costs before and after, by list prices and those in a file."""
    noted = session.provided.specification if session.provided else ""
    before = specification.load_text(noted, directory=session.spec.directory).platform if noted else None
    return replace(plan, costs=costs.compare(before, session.platform, costs.prices(prices)))


def up_playbook(session: Session) -> Playbook[Session]:
    """The playbook that comes with Moorage, with the user's own steps in their places."""
    upgrades = session.platform.spec.upgrades
    shipped = playbook.shipped("up", steps=STEPS, guards=GUARDS, max_unavailable=upgrades.max_unavailable)
    if upgrades.canary:
        shipped = replace(shipped, phases=tuple(map(_first_alone, shipped.phases)))
    return with_user_steps(session, shipped)


def _first_alone(phase: Phase[Session]) -> Phase[Session]:
    return replace(phase, first_alone=any(named.name == prove_host.NAME for named in phase.steps))


def with_user_steps(session: Session, shipped: Playbook[Session]) -> Playbook[Session]:
    """A shipped playbook with the steps from the directory beside the specification."""
    return user_steps.insert(shipped, session.spec.directory / user_steps.DIRECTORY, Scripts())

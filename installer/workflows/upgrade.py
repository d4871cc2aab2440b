"""Bring a platform to another release: the same plan as `up`, once for each release on the way."""

from __future__ import annotations

from installer.workflows import way
from installer.workflows.session import Session

COMMAND = "moorage upgrade"


def stops(session: Session) -> tuple[str, ...]:
    """The releases to bring the platform to, one after the other; the specification's own comes last."""
    return way.steps(session) or (session.platform.spec.release,)

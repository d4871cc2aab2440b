"""Maintenance windows: whether what serves may be changed now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from installer.engine.plan import Target
from installer.spec import windows
from installer.workflows import host_drain, releases
from installer.workflows.registry import GUARDS
from installer.workflows.session import Session

NAME: Final = "maintenance-window"
HINT: Final = f"repeat it then, or `--ignore {NAME}` to do it now"


def closed(session: Session, now: datetime | None = None) -> str | None:
    """When the next window opens, in words; None: one is open, or nothing says when."""
    given = session.platform.spec.upgrades.windows
    moment = now or datetime.now(UTC)
    if windows.is_open(given, moment):
        return None
    opens = windows.next_opening(given, moment)
    return f"no maintenance window is open; the next one opens at {opens:%A %Y-%m-%d %H:%M %Z}"


@GUARDS.guard(NAME, timeout_s=0, streak=1, hint=HINT)
def window(session: Session, target: Target) -> str | None:
    """A window of `spec.upgrades.windows` is open, or the target's change has begun and comes to its end.

    Asked anew before each host, so that none is begun after a window has closed.
    """
    if NAME in session.ignore or (reason := closed(session)) is None:
        return None
    return None if target.kind == "host" and _begun(session, target.name) else reason


def _begun(session: Session, name: str) -> bool:
    return releases.is_half(session.facts(name)) or bool(host_drain.since(session, name))

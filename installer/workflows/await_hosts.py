"""Waiting for machines that were just made: a cloud says that one runs long before its SSH server answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from installer.core import clock
from installer.core.errors import InstallerError, RetryableError
from installer.engine.events import StepReport
from installer.transport.fleet import fan_out
from installer.workflows.session import Session

_TIMEOUT_S: Final = 300


def await_logins(
    session: Session, names: Collection[str], report: StepReport, ticking: clock.Clock | None = None
) -> None:
    """Return once each of these hosts lets us in.

    Raises WaitTimeoutError that names those that do not, and at once what no waiting mends, such as another host key.
    """
    left = [name for name in session.hosts if name in names]

    def silent() -> str | None:
        found = fan_out(left, session.connection)
        reasons = {name: error for name, error in found.items() if isinstance(error, InstallerError)}
        for error in reasons.values():
            if not isinstance(error, RetryableError):
                raise error
        left[:] = reasons
        if not left:
            return None
        report.waiting(f"not reached yet: {', '.join(left)}")
        return "; ".join(f"{name}: {error.what}" for name, error in reasons.items())

    if left:
        clock.wait_until(
            silent,
            what="the new hosts let us in",
            timeout_s=_TIMEOUT_S,
            clock=ticking or clock.SystemClock(),
            every_s=2.0,
            hint="look at the console of those that are named; a machine that is deleted is made anew by `moorage up`",
        )

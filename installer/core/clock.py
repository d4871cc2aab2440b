"""Time as a dependency, so that waiting can be tested without sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from installer.core.errors import WaitTimeoutError


class Clock(Protocol):
    """Seconds that only go forward, and a way to let some pass."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def wait_until(
    check: Callable[[], str | None],
    *,
    what: str,
    timeout_s: float,
    clock: Clock,
    every_s: float = 0.5,
    streak: int = 1,
    hint: str = "",
) -> None:
    """Return once `check` has returned None `streak` times in a row; its text says why it is not ready yet.

    Raises WaitTimeoutError with the last reason after `timeout_s` seconds.
    """
    deadline, good = clock.now() + timeout_s, 0
    while True:
        reason = check()
        good = 0 if reason else good + 1
        if good >= streak:
            return
        if clock.now() >= deadline:
            raise WaitTimeoutError(f"{what}: not so after {timeout_s:g} s: {reason or 'not steady yet'}", hint=hint)
        clock.sleep(every_s)

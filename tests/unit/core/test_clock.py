"""Waiting: a deadline, a streak, the last reason."""

from __future__ import annotations

import pytest

from installer.core.clock import wait_until
from installer.core.errors import WaitTimeoutError


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_waiting_ends_when_the_condition_held_often_enough_in_a_row() -> None:
    """A relapse starts the count again."""
    answers = iter([None, "relapse", None, None])
    clock = FakeClock()
    wait_until(lambda: next(answers), what="it", timeout_s=60, clock=clock, every_s=1, streak=2)
    assert clock.time == 3


def test_what_holds_at_once_costs_no_time() -> None:
    """The first look comes before the first pause."""
    clock = FakeClock()
    wait_until(lambda: None, what="it", timeout_s=60, clock=clock)
    assert clock.time == 0


def test_the_end_of_patience_tells_the_last_reason() -> None:
    """And how long it was."""
    with pytest.raises(WaitTimeoutError, match="it: not so after 5 s: no answer"):
        wait_until(lambda: "no answer", what="it", timeout_s=5, clock=FakeClock(), hint="look")

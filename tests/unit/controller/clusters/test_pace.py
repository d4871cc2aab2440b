"""How soon a cluster is looked at again."""

from __future__ import annotations

import pytest

from installer.controller.clusters.pace import Pace


@pytest.mark.parametrize(("after", "pause"), [(0, 0.25), (5, 0.25), (20, 1.0), (60, 3.0), (1000, 5.0)])
def test_it_slows_down(after: float, pause: float) -> None:
    """A pass is late by a twentieth of what it waits for."""
    pace = Pace()
    pace.pause(steady=False, generation=1, now=100.0)
    assert pace.pause(steady=False, generation=1, now=100.0 + after) == pytest.approx(pause)


def test_a_change_or_rest_begins_anew() -> None:
    """What waits for long must not make the next change slow."""
    pace = Pace()
    pace.pause(steady=False, generation=1, now=0.0)
    assert pace.pause(steady=False, generation=2, now=1000.0) == 0.25
    assert pace.pause(steady=True, generation=2, now=1001.0) == 20.0
    assert pace.pause(steady=False, generation=2, now=3000.0) == 0.25


@pytest.mark.parametrize(("after", "pause"), [(0, 20.0), (100, 20.0), (200, 40.0), (1000, 60.0)])
def test_where_nothing_happens_looks_become_seldom(after: float, pause: float) -> None:
    """What happens to its pods or its resource wakes whoever looks."""
    pace = Pace()
    pace.pause(steady=True, generation=1, now=100.0)
    assert pace.pause(steady=True, generation=1, now=100.0 + after) == pytest.approx(pause)


def test_after_a_change_looks_are_frequent_for_a_while() -> None:
    """Also where it was over within one pass."""
    pace = Pace()
    pace.pause(steady=True, generation=1, now=0.0)
    assert pace.pause(steady=True, generation=2, now=1000.0) == 20.0
    assert pace.pause(steady=True, generation=2, now=2000.0) == 60.0
    pace.pause(steady=False, generation=2, now=2010.0)
    assert pace.pause(steady=True, generation=2, now=2020.0) == 20.0

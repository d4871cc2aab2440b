"""When maintenance windows are open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from installer.spec.windows import Window, is_open, next_opening


def _window(**given: Any) -> Window:
    return Window.model_validate(given)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_NIGHTS = _window(opens="22:00", closes="04:00", days=["fri", "sat"])
_LISBON = _window(opens="02:00", closes="04:00", zone="Europe/Lisbon")


@pytest.mark.parametrize(
    ("window", "moment", "opened"),
    [
        (_NIGHTS, "2026-11-27 21:59", False),  # a Friday
        (_NIGHTS, "2026-11-27 22:00", True),
        (_NIGHTS, "2026-11-28 03:59", True),  # the night that began on Friday
        (_NIGHTS, "2026-11-28 04:00", False),
        (_NIGHTS, "2026-11-29 03:00", True),  # Saturday's, on Sunday
        (_NIGHTS, "2026-11-29 22:30", False),  # Sunday
        (_LISBON, "2026-07-01 01:30", True),  # an hour ahead of UTC in summer
        (_LISBON, "2026-07-01 03:30", False),
        (_LISBON, "2026-12-01 03:30", True),
        (_window(opens="00:00", closes="00:00"), "2026-12-01 12:00", True),
    ],
)
def test_whether_it_is_open(window: Window, moment: str, opened: bool) -> None:
    """By the clocks of its zone, over midnight too."""
    assert is_open([window], _at(moment)) is opened


def test_without_windows_it_is_always_open() -> None:
    """Several add up."""
    assert is_open([], _at("2026-12-01 12:00"))
    assert is_open([_NIGHTS, _LISBON], _at("2026-12-01 02:30"))


@pytest.mark.parametrize(
    ("windows", "moment", "opens"),
    [
        ([_NIGHTS], "2026-11-25 12:00", "2026-11-27 22:00"),
        ([_NIGHTS], "2026-11-29 05:00", "2026-12-04 22:00"),
        ([_NIGHTS], "2026-11-27 22:00", "2026-11-28 22:00"),
        ([_NIGHTS, _LISBON], "2026-11-25 12:00", "2026-11-26 02:00"),
        ([_window(opens="10:00", closes="11:00", days=["wed"])], "2026-11-25 12:00", "2026-12-02 10:00"),
    ],
)
def test_when_the_next_one_opens(windows: list[Window], moment: str, opens: str) -> None:
    """The first of all, within a week."""
    assert next_opening(windows, _at(moment)) == _at(opens)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"opens": "25:00", "closes": "04:00"}, "not a time such as 01:30"),
        ({"opens": "22:00", "closes": "04:00", "zone": "Mars/Olympus"}, "no time zone"),
        ({"opens": "22:00", "closes": "04:00", "days": []}, "at least 1"),
    ],
)
def test_what_is_no_window(given: dict[str, Any], says: str) -> None:
    """It is refused with the specification."""
    with pytest.raises(ValidationError, match=says):
        _window(**given)

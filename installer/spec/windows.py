"""When hosts and clusters that serve may be changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator

from installer.spec.base import Model, always

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK: Final = 7


def _time(value: Any) -> Any:
    if isinstance(value, str):
        try:
            time.fromisoformat(value)
        except ValueError:
            raise ValueError("not a time such as 01:30") from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone that this machine knows, such as Europe/Lisbon") from None
    return value


TimeOfDay = Annotated[str, BeforeValidator(_time)]


class Window(Model):
    """A time of the week, by the clocks of a zone."""

    days: tuple[Day, ...] = always(_DAYS, min_length=1, description="Days on which it opens.")
    opens: TimeOfDay = always(description="When it opens, such as `22:00`.")
    closes: TimeOfDay = always(description="When it closes; where that is not later, on the next day.")
    zone: Annotated[str, AfterValidator(_zone)] = always(
        "UTC", description="Whose clocks: a zone such as Europe/Lisbon."
    )


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Whether any of them is open; where there are none, always. `moment` knows its zone."""
    return not windows or any(_opened(window, moment, ago) for window in windows for ago in (0, 1))


def next_opening(windows: Sequence[Window], moment: datetime) -> datetime:
    """When the first of them opens after `moment`, by the clocks of its zone."""
    return min(
        opening
        for window in windows
        for ahead in range(_WEEK + 1)
        if (opening := _opening(window, moment, ahead)) is not None and opening > moment
    )


def _opened(window: Window, moment: datetime, ago: int) -> bool:
    opening = _opening(window, moment, -ago)
    if opening is None:
        return False
    closing = _at(opening, window.closes)
    if closing <= opening:
        closing = _at(opening + timedelta(days=1), window.closes)
    return opening <= moment < closing


def _opening(window: Window, moment: datetime, ahead: int) -> datetime | None:
    """When it opens on the day that many days after the moment's; None: it does not."""
    day = moment.astimezone(ZoneInfo(window.zone)) + timedelta(days=ahead)
    return _at(day, window.opens) if _DAYS[day.weekday()] in window.days else None


def _at(day: datetime, of_day: str) -> datetime:
    return datetime.combine(day.date(), time.fromisoformat(of_day), day.tzinfo)

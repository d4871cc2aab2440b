"""How soon a cluster is looked at again: often while something is under way, less often the longer nothing happens."""

from __future__ import annotations

from typing import Final

_SOONEST_S: Final = 0.25
_LATEST_S: Final = 5.0
_SHARE: Final = 0.05  # of the time that it has taken: a pass is late by no more than that
# Nothing is under way: what happens to its pods or its resource wakes whoever looks, so this is for all the rest.
_STEADY_S: Final = 20.0
_QUIET_S: Final = 60.0
_QUIET_SHARE: Final = 0.2


class Pace:
    """Of one cluster."""

    def __init__(self) -> None:
        self._since: float | None = None  # when something got under way; None: nothing is
        self._steady_since: float | None = None  # None: something is under way
        self._generation = 0

    def pause(self, *, steady: bool, generation: int, now: float) -> float:
        """Seconds until the next pass; `generation` of the resource, `now` of a clock that only goes forward."""
        if steady:
            self._since = None
            if self._steady_since is None or generation != self._generation:
                self._steady_since, self._generation = now, generation
            return min(_QUIET_S, max(_STEADY_S, _QUIET_SHARE * (now - self._steady_since)))
        self._steady_since = None
        if self._since is None or generation != self._generation:
            self._since, self._generation = now, generation
        return min(_LATEST_S, max(_SOONEST_S, _SHARE * (now - self._since)))

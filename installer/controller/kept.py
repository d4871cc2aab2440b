"""The last answer of something that takes CPU to work out, kept while it is asked for with the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
# What is worked out may look at the clock: certificates are renewed months before they end.
_LONGEST_S: Final = 600.0


class Kept(Generic[T]):
    """One answer. For one thread at a time; what is handed out is not to be changed."""

    def __init__(self, *, longest_s: float = _LONGEST_S, now: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = longest_s
        self._now = now
        self._found: tuple[object, float, T] | None = None

    def get(self, given: object, work_out: Callable[[], T]) -> T:
        """The answer to `given`, which must hold all that `work_out` looks at but the time."""
        if self._found is not None:
            before, when, answer = self._found
            if before == given and self._now() - when < self._longest_s:
                return answer
        answer = work_out()
        self._found = (given, self._now(), answer)
        return answer

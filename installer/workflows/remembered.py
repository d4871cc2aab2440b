"""Values that are found once, however many threads ask, until they are forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Call it with a name to get the value that `find` found for it; an error is not remembered."""

    def __init__(self, find: Callable[[str], T]) -> None:
        self._find = find
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._values: dict[str, T] = {}

    def __call__(self, name: str) -> T:
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._values:
                self._values[name] = self._find(name)
            return self._values[name]

    def forget(self, name: str) -> None:
        """Find it again when it is next asked for."""
        self._values.pop(name, None)

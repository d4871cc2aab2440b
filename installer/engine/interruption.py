"""Ctrl-C and SIGTERM: the first asks to stop after the running steps, the second stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, `requested` is True from the first signal on; the second raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    def request(self) -> None:
        """What the first signal does."""
        self._requested.set()

    def __enter__(self) -> Interruption:
        # Python lets only the main thread handle signals; elsewhere they stay with whoever owns it.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.request()

"""How many clusters start at a time: each takes all the CPU it gets, and what is not in time is tried again later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from lightkube.resources.core_v1 import Node

from installer.controller.manager_api import Api, is_ready
from installer.spec.quantity import cpu_millis

# One that has not come up by then has another reason than want of CPU, and holds up nobody else any more.
_LONGEST_S: Final = 90.0
_FEWEST: Final = 2  # one often waits for something, and then another may use the CPU
_CPU_EACH: Final = 2000  # thousandths, for seven seconds
_COUNTED_FOR_S: Final = 60.0


class Starts:
    """Of all clusters of a platform. May be used by several threads.

    `at_once`: asked again whenever somebody wants to start, since hosts come and go.
    """

    def __init__(self, at_once: Callable[[], int], *, now: Callable[[], float] = time.monotonic) -> None:
        self._at_once = at_once
        self._now = now
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {}  # in the order in which they came
        self._starting: dict[str, float] = {}  # since when

    def enter(self, name: str) -> int:
        """0 when the cluster may start, or go on starting; else how many come before it."""
        with self._lock:
            if name in self._starting:
                return 0
            self._waiting.setdefault(name)
            before = list(self._waiting).index(name)
            busy = sum(self._now() - since < _LONGEST_S for since in self._starting.values())
            if busy + before >= self._at_once():
                return busy + before
            del self._waiting[name]
            self._starting[name] = self._now()
            return 0

    def leave(self, name: str) -> None:
        """It has started, or is given up."""
        with self._lock:
            self._waiting.pop(name, None)
            self._starting.pop(name, None)


def by_cpu(api: Api, *, now: Callable[[], float] = time.monotonic) -> Callable[[], int]:
    """As many as the CPU of all hosts that are there can carry; hosts are counted once a minute."""
    counted, found = float("-inf"), _FEWEST

    def at_once() -> int:
        nonlocal counted, found
        if now() - counted > _COUNTED_FOR_S:
            hosts = [host for host in api.list(Node) if is_ready(host) and host.status]
            cpu = sum(cpu_millis((host.status.capacity or {}).get("cpu", "0")) for host in hosts if host.status)
            counted, found = now(), max(_FEWEST, cpu // _CPU_EACH)
        return found

    return at_once

"""How many control planes start, or are replaced, at a time: each takes all the CPU it gets, and starves the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Node

from installer.controller.manager_api import Api, is_complete, is_ready, meta_of
from installer.kubernetes import hosted
from installer.spec.quantity import cpu_millis

# One that has not come up by then has another reason than want of CPU, and holds up nobody else any more.
_LONGEST_S: Final = 90.0
_ASKED_S: Final = 90.0  # who has not asked again for so long has given up, or cannot ask, and loses its place
_FEWEST: Final = 2  # one often waits for something, and then another may use the CPU
_CPU_EACH: Final = 2000  # thousandths, for seven seconds
_COUNTED_FOR_S: Final = 60.0


class Starts:
    """Of all clusters of a platform. May be used by several threads.

    Those that have never run come before those whose control plane is only replaced; else who came first.
    `at_once`: asked again whenever somebody wants to start, since hosts come and go.
    `under_way`: the clusters that a controller before this one has begun with; asked once.
    `wake`: told of each that may go on because another has left.
    """

    def __init__(
        self,
        at_once: Callable[[], int],
        *,
        under_way: Callable[[], Iterable[str]] = tuple,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once = at_once
        self._under_way: Callable[[], Iterable[str]] | None = under_way
        self.wake: Callable[[str], None] = lambda _: None
        self._now = now
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}  # in the order in which they came
        self._starting: dict[str, float] = {}  # since when

    def enter(self, name: str, *, replaced: bool = False) -> int:
        """0 when the cluster may start, or go on starting; else how many come before it. To be asked again and again.

        `replaced`: it runs, and its control plane is to be another.
        """
        with self._lock:
            self._begin()
            if name in self._starting:
                return 0
            if name not in self._waiting or self._waiting[name].replaced != replaced:
                self._waiting[name] = _Waiting(replaced)
            self._waiting[name].asked = self._now()
            ahead = self._busy() + self._queue().index(name)
            if ahead >= self._at_once():
                return ahead
            del self._waiting[name]
            self._starting[name] = self._now()
            return 0

    def go_ahead(self, name: str) -> None:
        """It starts, whatever waits: what somebody asks of one cluster, or what mends it. Others wait for it."""
        with self._lock:
            self._begin()
            self._waiting.pop(name, None)
            self._starting.setdefault(name, self._now())

    def leave(self, name: str) -> None:
        """It has started, or is given up, or does not want to any more."""
        with self._lock:
            was_there = name in self._waiting or name in self._starting
            self._waiting.pop(name, None)
            self._starting.pop(name, None)
            free = self._at_once() - self._busy() if was_there and self._waiting else 0
            next_ones = self._queue()[: max(free, 0)]
        for one in next_ones:
            self.wake(one)

    def _begin(self) -> None:
        if self._under_way is not None:
            self._starting |= dict.fromkeys(self._under_way(), self._now())
            self._under_way = None

    def _busy(self) -> int:
        return sum(self._now() - since < _LONGEST_S for since in self._starting.values())

    def _queue(self) -> list[str]:
        """Who waits, the next first."""
        gone = [name for name, one in self._waiting.items() if self._now() - one.asked >= _ASKED_S]
        for name in gone:
            del self._waiting[name]
        return sorted(self._waiting, key=lambda name: self._waiting[name].replaced)


class _Waiting:
    def __init__(self, replaced: bool) -> None:
        self.replaced = replaced
        self.asked = 0.0


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


def begun(api: Api) -> list[str]:
    """The clusters whose control plane is not as its Deployment says: somebody has begun to make it so."""
    labels = {hosted.ROLE_LABEL: hosted.CONTROL_PLANE}
    found = [one for one in api.list(Deployment, "*", labels) if not is_complete(one)]
    return [(meta_of(one).labels or {}).get(hosted.CLUSTER_LABEL, "") for one in found]

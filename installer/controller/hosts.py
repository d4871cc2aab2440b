"""What all clusters ask of hosts: which are to be empty or are lost, their labels, what is free; asked once for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from lightkube.resources.core_v1 import Node, Pod

from installer.controller.clusters import room
from installer.controller.clusters.room import Room
from installer.controller.kept import Kept
from installer.controller.manager_api import Api, meta_of
from installer.kubernetes import draining, lost
from installer.kubernetes.lost import CutOff, HostSeen

_LABELS_S: Final = 60.0  # where a host is hardly changes
_UNKNOWN_S: Final = 5.0
_FREE_S: Final = 10.0  # for people, who are told why a pod waits


class Hosts:
    """Listed once, then kept by what is told of each node. May be used by several threads."""

    def __init__(
        self,
        api: Api,
        graces: Mapping[str, float],
        *,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        """`graces`: for how many seconds each region may be cut off; `today`: seconds of the epoch, as in nodes."""
        self._api = api
        self._graces = graces
        self._now = now
        self._today = today
        self._labels: Mapping[str, Mapping[str, str]] = {}
        self._labelled = float("-inf")  # when
        self._free: Kept[Mapping[str, Room]] = Kept(longest_s=_FREE_S, now=now)
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None
        self._seen: dict[str, HostSeen] = {}

    def drained(self) -> Mapping[str, str]:
        """Since when (RFC 3339) each of them is to be empty."""
        with self._lock:
            return dict(self._drained())

    def _drained(self) -> dict[str, str]:
        if self._known is None:
            nodes = self._api.list(Node)
            listed = {meta_of(node).name: draining.since(meta_of(node).annotations) for node in nodes}
            self._known = {host: since for host, since in listed.items() if since}
            self._seen = {host.name: host for host in lost.of_nodes(nodes)}
        return self._known

    def given_up(self) -> set[str]:
        """Those that are lost: what is on them is to be made elsewhere."""
        with self._lock:
            return {name for name, left_s in self._patience().items() if not left_s}

    def decides_in(self) -> float:
        """Seconds after which another of them may be given up, unless it comes back; infinite: none is known of."""
        with self._lock:
            waits = self._patience() if self._known is not None else {}
            return min((left_s for left_s in waits.values() if left_s), default=float("inf"))

    def _patience(self) -> dict[str, float]:
        self._drained()
        return lost.patience(tuple(self._seen.values()), self._graces, now=self._today())

    def cut_off(self) -> Mapping[str, CutOff]:
        """The regions that are cut off."""
        with self._lock:
            self._drained()
            return lost.cut_off(tuple(self._seen.values()))

    def labels(self, hosts: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """The labels of these hosts and others, none older than a minute."""
        with self._lock:
            # A host that is not known may be new, or gone for good.
            longest_s = _LABELS_S if self._labels.keys() >= set(hosts) else _UNKNOWN_S
            if self._now() - self._labelled >= longest_s:
                self._labels = {meta_of(node).name: dict(meta_of(node).labels or {}) for node in self._api.list(Node)}
                self._labelled = self._now()
            return self._labels

    def free(self) -> Mapping[str, Room]:
        """What each host that takes any pod has left, no longer ago than some seconds."""

        def look() -> Mapping[str, Room]:
            nodes = [node for node in self._api.list(Node) if not (node.spec and node.spec.taints)]
            return room.free(nodes, self._api.list(Pod, "*"))

        with self._lock:
            return self._free.get(None, look)

    def note(self, name: str, node: Node | None) -> bool:
        """Take note of a node as it is now, None: it is gone; whether that is news."""
        with self._lock:
            if self._known is None:
                return False
            before = (self._known.pop(name, ""), self._seen.pop(name, None))
            if node is not None:
                since = draining.since(meta_of(node).annotations)
                self._known |= {name: since} if since else {}
                self._seen |= {host.name: host for host in lost.of_nodes([node])}
            return before != (self._known.get(name, ""), self._seen.get(name))

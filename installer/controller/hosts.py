"""What all clusters ask of hosts: which are to be empty, their labels, what is free there; each asked once for all."""

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
from installer.kubernetes import draining

_LABELS_S: Final = 60.0  # where a host is hardly changes
_UNKNOWN_S: Final = 5.0
_FREE_S: Final = 10.0  # for people, who are told why a pod waits


class Hosts:
    """Listed once, then kept by what is told of each node. May be used by several threads."""

    def __init__(self, api: Api, *, now: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._now = now
        self._labels: Mapping[str, Mapping[str, str]] = {}
        self._labelled = float("-inf")  # when
        self._free: Kept[Mapping[str, Room]] = Kept(longest_s=_FREE_S, now=now)
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None

    def drained(self) -> Mapping[str, str]:
        """Since when (RFC 3339) each of them is to be empty."""
        with self._lock:
            if self._known is None:
                listed = {
                    meta_of(node).name: draining.since(meta_of(node).annotations) for node in self._api.list(Node)
                }
                self._known = {host: since for host, since in listed.items() if since}
            return dict(self._known)

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

    def note(self, host: str, annotations: Mapping[str, str]) -> bool:
        """Take note of a node as it is now; whether that is news. A node that is gone has none."""
        with self._lock:
            if self._known is None:
                return False
            since = draining.since(annotations)
            if self._known.get(host, "") == since:
                return False
            self._known.pop(host, None)
            self._known |= {host: since} if since else {}
            return True

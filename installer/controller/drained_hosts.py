"""What all clusters ask of hosts: which are to be empty for a while, and labels, as the manager's nodes say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from lightkube.resources.core_v1 import Node

from installer.controller.manager_api import Api, meta_of
from installer.kubernetes import draining

_LABELS_S: Final = 60.0


class DrainedHosts:
    """Listed once, then kept by what is told of each node. May be used by several threads."""

    def __init__(self, api: Api, *, now: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._now = now
        self._labels: Mapping[str, Mapping[str, str]] = {}
        self._labelled = float("-inf")  # when
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None

    def since(self) -> Mapping[str, str]:
        """Since when (RFC 3339) each of them is to be empty."""
        with self._lock:
            if self._known is None:
                listed = {
                    meta_of(node).name: draining.since(meta_of(node).annotations) for node in self._api.list(Node)
                }
                self._known = {host: since for host, since in listed.items() if since}
            return dict(self._known)

    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """Each host's labels, none older than a minute: they are where it is, and that hardly changes."""
        with self._lock:
            if self._now() - self._labelled >= _LABELS_S:
                self._labels = {meta_of(node).name: dict(meta_of(node).labels or {}) for node in self._api.list(Node)}
                self._labelled = self._now()
            return self._labels

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

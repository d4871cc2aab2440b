"""Many hosts at a time: one live connection a host for a whole run, and bounded fan-out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from installer.core.errors import InstallerError
from installer.transport.forward import Forward
from installer.transport.target import Target

if TYPE_CHECKING:  # paramiko takes a third of a second to load, and many a command asks no host
    from installer.transport.connection import Connection

T = TypeVar("T")
K = TypeVar("K")


def _dial(target: Target) -> Connection:
    from installer.transport.connection import dial

    return dial(target)


class Fleet:
    """Connections by host name, opened when first asked for and again when lost; safe to use from threads."""

    def __init__(self, dialler: Callable[[Target], Connection] = _dial) -> None:
        self._dial = dialler
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._open: dict[str, Connection] = {}
        self._forwards: dict[tuple[str, str, int], Forward] = {}

    def connection(self, target: Target) -> Connection:
        """A live connection to `target`; raises SshError."""
        with self._guard:
            lock = self._locks.setdefault(target.name, threading.Lock())
        with lock:
            found = self._open.get(target.name)
            if found is None or not found.alive or found.target != target:
                if found is not None:
                    found.close()
                found = self._open[target.name] = self._dial(target)
            return found

    def forward(self, through: Target, address: str, port: int) -> int:
        """A port of this machine that leads to `address:port` as `through` reaches it, for as long as the fleet is."""
        with self._guard:
            key = (through.name, address, port)
            if key not in self._forwards:
                self._forwards[key] = Forward(lambda: self.connection(through).open_tunnel(address, port))
            return self._forwards[key].port

    def close(self) -> None:
        """Close all connections."""
        with self._guard:
            for forward in self._forwards.values():
                forward.close()
            self._forwards.clear()
            for connection in self._open.values():
                connection.close()
            self._open.clear()


def fan_out(items: Sequence[K], work: Callable[[K], T], *, at_once: int = 32) -> Mapping[K, T | InstallerError]:
    """`work` on each item, at most `at_once` at a time; an InstallerError is a result, anything else stops the run."""

    def one(item: K) -> T | InstallerError:
        try:
            return work(item)
        except InstallerError as exc:
            return exc

    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(items)))) as pool:
        return dict(zip(items, pool.map(one, items), strict=True))

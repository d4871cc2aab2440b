"""The lock of a platform's state: one writer at a time, and no lock outlives the process that holds it."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from installer.core.errors import LockError


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds, or held, the lock."""

    user: str
    host: str
    pid: int
    since: str
    command: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}) with `{self.command}` since {self.since}"


@dataclass(frozen=True)
class Held:
    """The lock, while it is held. `vanished`: who held it before and is gone without having let go of it."""

    holder: Holder
    vanished: Holder | None


@contextmanager
def hold(path: Path, *, command: str) -> Iterator[Held]:
    """Hold the lock.

    The lock is the kernel's (flock): it ends with its process, however that dies, so nobody ever has to force it.
    The text in the file only tells others who it is. Raises LockError that names the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused(_read(file)) from None
        held = Held(_myself(command), _read(file))
        _write(file, json.dumps(asdict(held.holder)))
        try:
            yield held
        finally:
            _write(file, "")  # emptied, not removed: another process may be waiting on this very file


def _refused(holder: Holder | None) -> LockError:
    who = f"by {holder}" if holder else "by another process that has only just taken it"
    hint = "wait for it to end, then repeat"
    if holder and holder.host == socket.gethostname():
        hint = f"wait for it to end, or stop it with `kill {holder.pid}`, then repeat"
    return LockError(f"the platform is being changed {who}", hint=hint)


def whoami() -> str:
    """This user on this machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _myself(command: str) -> Holder:
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return Holder(user=getpass.getuser(), host=socket.gethostname(), pid=os.getpid(), since=since, command=command)


def _read(file: IO[str]) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):  # empty, or cut off while it was written
        return None


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()

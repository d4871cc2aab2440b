"""The lock of one stack: in a directory the kernel's, in a bucket an object that its holder renews.

Either way the pulumi CLI's locks count, and those in a bucket lie where the CLI looks for its own: write one, look
whether another is there, and give way if so. Its format has four of the fields below.
https://github.com/pulumi/pulumi/blob/master/pkg/backend/diy/lock.go
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from installer.core.clock import Clock, SystemClock
from installer.core.errors import InfrastructureError
from installer.provision.embedded.state import now
from installer.provision.embedded.store import Found, MovedOnError, Store

SILENCE_S: Final = 30.0  # after which the holder of a lock in a bucket is taken for dead
RENEWS_S: Final = 5.0
_LOOKS_S: Final = 1.0

Tell = Callable[[str], None]


def untold(text: str) -> None:
    """For those who show nothing."""


@dataclass(frozen=True)
class StackLock:
    """A lock that lies in a backend: of a run of ours, or of the pulumi CLI. Empty fields: it does not say."""

    key: str
    found: Found = field(repr=False)

    def __str__(self) -> str:
        data = self._data
        who = f"{data.get('username') or '?'}@{data.get('hostname') or '?'} (process {data.get('pid') or '?'})"
        return f"{who} since {data.get('timestamp') or 'an unknown time'}"

    @property
    def renewed(self) -> bool:
        """Whether its holder renews it; the CLI's never are."""
        return bool(self._data.get("renewed"))

    @property
    def here(self) -> bool:
        """Whether its holder is, or was, on this machine, among the processes that we can see."""
        return self._data.get("machine", "") == _machine() or (
            not self.renewed and self._data.get("hostname") == socket.gethostname()
        )

    @property
    def alive(self) -> bool:
        """Whether its process is there; only to be asked where it would be `here`."""
        pid, started = self._data.get("pid"), self._data.get("started")
        there = _started(pid) if isinstance(pid, int) else ""
        return bool(there) and started in (None, there)

    @property
    def _data(self) -> dict[str, Any]:
        try:
            data = json.loads(self.found.content)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}


class Held:
    """A lock that we hold. `require` raises once it is ours no longer."""

    def __init__(self) -> None:
        self.lost = False
        self.over = threading.Event()  # it is let go of

    def require(self) -> None:
        if self.lost:
            raise InfrastructureError(
                "the stack was taken over by another run, since this one was silent for too long",
                hint="wait for that run to end, then repeat: what was made is found again",
            )


def found(store: Store, project: str, stack: str) -> list[StackLock]:
    """The locks of a stack that lie in its backend."""
    locks = ((key, store.read(key)) for key in store.names(_folder(project, stack)))
    return [StackLock(key, there) for key, there in locks if there is not None]


def take_off(store: Store, project: str, stack: str) -> None:
    """Remove the locks that lie in the backend; the caller knows that nobody holds one."""
    for lock in found(store, project, stack):
        store.remove(lock.key)


def forget(store: Store, project: str, stack: str) -> None:
    """Leave nothing of the lock of a stack that was removed."""
    take_off(store, project, stack)
    if store.directory is not None:
        _lock_path(store.directory, project, stack).unlink(missing_ok=True)


@contextmanager
def hold(store: Store, project: str, stack: str, *, tell: Tell = untold, clock: Clock | None = None) -> Iterator[Held]:
    """Hold a stack; raises InfrastructureError that names who has it."""
    if store.directory is not None:
        with _kernels(store, store.directory, project, stack) as held:
            yield held
    else:
        with _objects(store, project, stack, tell, clock or SystemClock()) as held:
            yield held


# --- in a directory -----------------------------------------------------------------------------------------------


@contextmanager
def _kernels(store: Store, directory: Path, project: str, stack: str) -> Iterator[Held]:
    if theirs := found(store, project, stack):
        raise _locked(theirs[0])
    path = _lock_path(directory, project, stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use() from None
        # Whoever removed the stack in between took the file with it: then this is the lock of nothing.
        if not path.exists() or not path.samefile(f"/proc/self/fd/{lock.fileno()}"):
            raise _in_use()
        yield Held()


def _lock_path(directory: Path, project: str, stack: str) -> Path:
    return directory / ".pulumi" / "stacks" / project / f"{stack}.lock"


def _in_use() -> InfrastructureError:
    return InfrastructureError(
        "the stack is currently locked by another run of moorage", hint="wait until it has ended"
    )


# --- in a bucket --------------------------------------------------------------------------------------------------


@contextmanager
def _objects(store: Store, project: str, stack: str, tell: Tell, clock: Clock) -> Iterator[Held]:
    for lock in found(store, project, stack):
        _outlive(store, lock, tell, clock)
    key = f"{_folder(project, stack)}{uuid.uuid4()}.json"
    ours = {
        "pid": os.getpid(),
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": now(),
        "machine": _machine(),
        "started": _started(os.getpid()),
    }
    written = store.write(key, _text(ours), new=True)
    others = [lock for lock in found(store, project, stack) if lock.key != key]
    if others:
        store.remove(key)
        raise _locked(others[0])
    held = Held()
    keeper = threading.Thread(target=_renew, args=(store, key, ours, written, held), name="stack-lock", daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        held.over.set()
        keeper.join()
        if not held.lost:
            with suppress(InfrastructureError):  # of a store that is away: the lock ends by itself
                store.remove(key)


def _renew(store: Store, key: str, ours: dict[str, Any], written: Found, held: Held) -> None:
    while not held.over.wait(RENEWS_S):
        try:
            held.lost = store.read(key) is None
            if held.lost:
                return
            written = store.write(key, _text(ours), over=written)
        except MovedOnError:
            held.lost = True
            return
        except InfrastructureError:
            continue  # not reached for a while: who takes the lock over meanwhile is seen when it is


def _outlive(store: Store, lock: StackLock, tell: Tell, clock: Clock) -> None:
    """Remove a lock whose holder is gone: seen to be, on this machine, or silent for long enough. Raises otherwise."""
    if not lock.renewed:
        raise _locked(lock)
    if not (lock.here and not lock.alive):
        tell(f"the stack was being changed by {lock}; waiting up to {SILENCE_S:g} s for a sign of life")
        if lives(store, lock, clock):
            raise _locked(lock)
    tell(f"the lock of {lock} is recovered: that run has ended")
    store.remove(lock.key)


def lives(store: Store, lock: StackLock, clock: Clock) -> bool:
    """Whether the holder of a lock that is renewed shows a sign of life before SILENCE_S are over."""
    deadline = clock.now() + SILENCE_S
    while clock.now() < deadline:
        there = store.read(lock.key)
        if there is None or there.content != lock.found.content:
            return there is not None
        clock.sleep(_LOOKS_S)
    return False


def _text(ours: dict[str, Any]) -> bytes:
    return json.dumps({**ours, "renewed": now()}).encode()


def _folder(project: str, stack: str) -> str:
    return f".pulumi/locks/organization/{project}/{stack}/"


def _locked(lock: StackLock) -> InfrastructureError:
    if lock.renewed:
        return InfrastructureError(f"the stack is currently locked by {lock}", hint="wait until it has ended")
    return InfrastructureError(
        f"the stack is currently locked by a run of the pulumi CLI: {lock} ({lock.key})",
        hint="when none runs any more: `moorage state unlock`",
    )


def _machine() -> str:
    """This start of this machine, and the processes of it that we see: a container has its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{uuid.getnode():x}"


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty when it is not there.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]

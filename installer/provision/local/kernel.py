"""Limits of this machine's kernel that its local hosts share: raised while there are any, put back after the last."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/sys")
# One note for all platforms of this machine, gone when the kernel that it speaks of is.
_NOTE: Final = Path("/run/moorage-local/kernel.json")
_LOCK: Final = Path("/run/lock/moorage-local.lock")
# Every containerd, kubelet and kube-proxy of every host and node pod watches files; the defaults are for one desktop.
WANTED: Final[Mapping[str, int]] = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1_048_576,
    "kernel/keys/root_maxkeys": 1_000_000,  # a container takes one
    "kernel/keys/root_maxbytes": 25_000_000,
}


@contextmanager
def held(lock: Path = _LOCK) -> Iterator[None]:
    """Alone on this machine: the first platform must not come while the last one goes."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def raise_limits(*, note: Path = _NOTE, proc: Path = _PROC) -> None:
    """Raise what is too low, and note once what it was before."""
    seen = {name: int((proc / name).read_text()) for name in WANTED}
    low = {name: value for name, value in seen.items() if value < WANTED[name]}
    if low:
        before = json.loads(note.read_text()) if note.exists() else {}
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({**low, **before}))
        for name in low:
            (proc / name).write_text(str(WANTED[name]))


def restore(*, note: Path = _NOTE, proc: Path = _PROC) -> None:
    """Put back what was raised; nothing happens when nothing was."""
    if note.exists():
        for name, value in json.loads(note.read_text()).items():
            (proc / name).write_text(str(value))
        note.unlink()
        note.parent.rmdir()

"""Limits of this machine's kernel that its local hosts share: raised while there are any, put back after the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/sys")
# Every containerd, kubelet and kube-proxy of every host and node pod watches files; the defaults are for one desktop.
WANTED: Final[Mapping[str, int]] = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1_048_576,
    "kernel/keys/root_maxkeys": 1_000_000,  # a container takes one
    "kernel/keys/root_maxbytes": 25_000_000,
}


def raise_limits(note: Path, *, proc: Path = _PROC) -> None:
    """Raise what is too low, and note once what it was before."""
    seen = {name: int((proc / name).read_text()) for name in WANTED}
    low = {name: value for name, value in seen.items() if value < WANTED[name]}
    if low:
        before = json.loads(note.read_text()) if note.exists() else {}
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({**low, **before}))
        for name in low:
            (proc / name).write_text(str(WANTED[name]))


def restore(note: Path, *, proc: Path = _PROC) -> None:
    """Put back what was raised; nothing happens when nothing was."""
    if note.exists():
        for name, value in json.loads(note.read_text()).items():
            (proc / name).write_text(str(value))
        note.unlink()

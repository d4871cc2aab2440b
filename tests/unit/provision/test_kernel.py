"""Limits of the kernel: raised once, put back to what they were, never lowered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from installer.provision.local import kernel


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc/sys with everything at 128."""
    for name in kernel.WANTED:
        path = tmp_path / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("128\n")
    return tmp_path / "proc"


def _seen(proc: Path) -> dict[str, int]:
    return {name: int((proc / name).read_text()) for name in kernel.WANTED}


def test_what_is_too_low_is_raised_and_put_back(proc: Path, tmp_path: Path) -> None:
    """Nothing of the note is left."""
    note = tmp_path / "run" / "kernel.json"
    kernel.raise_limits(note=note, proc=proc)
    assert _seen(proc) == dict(kernel.WANTED)
    kernel.restore(note=note, proc=proc)
    assert set(_seen(proc).values()) == {128}
    assert not note.parent.exists()


def test_what_is_high_enough_is_left_alone(proc: Path, tmp_path: Path) -> None:
    """Neither lowered nor noted."""
    note, mine = tmp_path / "run" / "kernel.json", "fs/inotify/max_user_watches"
    (proc / mine).write_text("99999999\n")
    kernel.raise_limits(note=note, proc=proc)
    assert mine not in note.read_text()
    kernel.restore(note=note, proc=proc)
    assert _seen(proc)[mine] == 99999999


def test_raising_twice_remembers_the_first_values(proc: Path, tmp_path: Path) -> None:
    """Also when somebody lowered one in between."""
    note = tmp_path / "run" / "kernel.json"
    kernel.raise_limits(note=note, proc=proc)
    (proc / "fs/inotify/max_user_instances").write_text("200\n")
    kernel.raise_limits(note=note, proc=proc)
    assert _seen(proc) == dict(kernel.WANTED)
    kernel.restore(note=note, proc=proc)
    assert set(_seen(proc).values()) == {128}


def test_putting_back_without_a_note_changes_nothing(proc: Path, tmp_path: Path) -> None:
    """What we did not raise is not ours."""
    kernel.restore(note=tmp_path / "run" / "kernel.json", proc=proc)
    assert set(_seen(proc).values()) == {128}


def test_only_one_process_at_a_time_holds_it(tmp_path: Path) -> None:
    """Another one cannot have the lock while we do, and can afterwards."""
    path = tmp_path / "lock"
    take = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    argv = [sys.executable, "-c", take, str(path)]
    with kernel.held(path):
        assert b"BlockingIOError" in subprocess.run(argv, capture_output=True, check=False).stderr
    subprocess.run(argv, check=True)

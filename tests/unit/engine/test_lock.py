"""The lock: one holder, named to others, gone with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from installer.core.errors import LockError
from installer.engine import lock

_HOLD = (
    "import sys, pathlib\n"
    "from installer.engine import lock\n"
    "with lock.hold(pathlib.Path(sys.argv[1]), command='up'):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harbor" / "lock"


def test_a_second_holder_is_refused_and_told_who_has_it(path: Path) -> None:
    """With user, host, process, command and since when, and what to do next."""
    with (
        lock.hold(path, command="up -f a.yaml"),
        pytest.raises(LockError) as caught,
        lock.hold(path, command="destroy"),
    ):
        pass
    assert f"process {os.getpid()}" in caught.value.what
    assert "`up -f a.yaml` since 20" in caught.value.what
    assert f"kill {os.getpid()}" in caught.value.hint


def test_after_release_it_can_be_taken_again_and_nobody_is_missed(path: Path) -> None:
    """Also when the work under it failed."""
    with pytest.raises(RuntimeError), lock.hold(path, command="up"):
        raise RuntimeError
    with lock.hold(path, command="up") as held:
        assert held.vanished is None


def test_a_killed_holder_loses_the_lock_and_is_named(path: Path) -> None:
    """kill -9 leaves no lock behind, only the text that tells who it was."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockError, match=f"process {holder.pid}"), lock.hold(path, command="up"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lock.hold(path, command="up") as held:
        assert held.vanished is not None
        assert held.vanished.pid == holder.pid
        assert held.holder.pid == os.getpid()


def test_a_torn_text_is_no_obstacle(path: Path) -> None:
    """The text is for people; the lock does not depend on it."""
    path.parent.mkdir()
    path.write_text('{"user": "a')
    with lock.hold(path, command="up") as held:
        assert held.vanished is None

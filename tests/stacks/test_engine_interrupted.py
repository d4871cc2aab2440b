"""Operations that were killed, and what is left of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pulumi import automation

from tests.stacks.harness import Trial

_CHAIN = """
first = Thing("first")
Thing("second", uses=after(first))
"""
_UP = """
import sys
from pathlib import Path
from tests.fakes.provider import FakeProvider
from tests.stacks.harness import Trial
Trial(Path(sys.argv[1]), FakeProvider()).up()
"""


@contextmanager
def _running_up(trial: Trial) -> Iterator[subprocess.Popen[bytes]]:
    """`up` in a process of its own, on the provider of this one, held in its first create."""
    trial.provider.hold = threading.Event()
    trial.provider.begun.clear()
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", _UP, str(trial.folder)], cwd=root) as process:
        try:
            assert trial.provider.begun.wait(timeout=30)
            yield process
        finally:
            process.kill()
            trial.provider.hold.set()
            trial.provider.hold = None


def _killed_in_a_create(trial: Trial) -> None:
    with _running_up(trial) as process:
        process.kill()


def test_what_a_killed_run_was_making_is_found_again(trial: Trial) -> None:
    """The provider finished it after all; the next `up` asks again, finds it, and goes on."""
    trial.program(_CHAIN)
    _killed_in_a_create(trial)
    assert [o["resource"]["urn"].rpartition("::")[2] for o in trial.export()["pending_operations"]] == ["first"]
    trial.up()
    assert trial.provider.made == 2
    assert trial.export()["pending_operations"] == []
    assert trial.changes == {("create", "first"), ("create", "second")}


def test_what_was_done_before_the_kill_is_not_done_again(trial: Trial) -> None:
    """The journal has it: the checkpoint was never written."""
    trial.program('Thing("zero")').up()
    trial.program('zero = Thing("zero")\none = Thing("one", uses=after(zero))')
    _killed_in_a_create(trial)
    trial.program('Thing("zero", colour="red")')
    assert trial.preview() == {("update", "zero"), ("delete", "one")}
    trial.up()
    assert set(trial.provider.things) == {"zero-plain"}
    assert trial.export()["pending_operations"] == []


def test_destroy_after_a_kill_leaves_nothing(trial: Trial) -> None:
    """What was begun is deleted, too, though nobody knows its id."""
    trial.program(_CHAIN)
    _killed_in_a_create(trial)
    trial.destroy()
    assert "first" in trial.provider.names("delete")
    assert trial.export()["resources"] == []
    assert trial.export()["pending_operations"] == []


def test_two_kills_in_a_row_are_no_worse(trial: Trial) -> None:
    """Also when the first one cut off a line of the journal: nothing is written behind half a line."""
    trial.program(_CHAIN)
    _killed_in_a_create(trial)
    with trial.journal_path.open("ab") as journal:
        journal.write(b'{"op": "put", "resou')
    _killed_in_a_create(trial)
    trial.up()
    assert set(trial.resources()) == {"first", "second"}
    assert trial.provider.made == 2


def test_a_journal_is_only_played_over_its_own_checkpoint(trial: Trial) -> None:
    """Killed between the new checkpoint and the journal's removal, nothing in it counts twice."""
    trial.program(_CHAIN)
    _killed_in_a_create(trial)
    stale = trial.journal_path.read_bytes()
    trial.up()
    trial.journal_path.write_bytes(stale)
    assert trial.export()["pending_operations"] == []
    assert trial.preview() == set()


def test_a_damaged_journal_is_told_not_guessed_at(trial: Trial) -> None:
    """A whole line that is no entry: the error names the file."""
    trial.program(_CHAIN)
    _killed_in_a_create(trial)
    lines = trial.journal_path.read_bytes().splitlines(keepends=True)
    trial.journal_path.write_bytes(b"".join([lines[0], b"{]\n", *lines[1:]]))
    with pytest.raises(automation.CommandError, match=r"journal .*dev\.journal is damaged"):
        trial.up()


def test_a_second_run_at_the_same_time_is_refused(trial: Trial) -> None:
    """Once the first has ended, it may; who only looks may at any time: others wait for no preview."""
    trial.program(_CHAIN).up()
    trial.program(_CHAIN + 'Thing("third")')
    with _running_up(trial):
        assert ("create", "third") in trial.preview()
        for operation in (trial.up, trial.destroy, trial.refresh):
            with pytest.raises(automation.ConcurrentUpdateError):
                operation()
    trial.up()
    assert trial.provider.made == 3


def test_a_lock_of_the_pulumi_cli_counts(trial: Trial) -> None:
    """It is kept in a file beside the state; the error says how to take it off."""
    trial.program(_CHAIN).up()
    lock = trial.backend / ".pulumi" / "locks" / "organization" / "trial" / "dev" / "one.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    with pytest.raises(automation.ConcurrentUpdateError, match="moorage state unlock"):
        trial.up()


def test_a_damaged_state_is_told_with_its_backup(trial: Trial) -> None:
    """Neither overwritten nor taken for an empty one."""
    trial.program(_CHAIN).up()
    for text in ("", "{", "[]", json.dumps({"version": 3})):
        trial.state_path.write_text(text)
        told = r"dev\.json is damaged(.|\n)*state import --backup.*dev\.json\.bak"
        with pytest.raises(automation.CommandError, match=told):
            trial.up()
        assert trial.state_path.read_text() == text
    trial.state_path.write_bytes(trial.state_path.with_name("dev.json.bak").read_bytes())
    trial.up()
    assert trial.provider.made == 2


def test_at_no_instant_is_there_no_state(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step of writing a checkpoint fails: the one before it is still in place."""
    trial.program(_CHAIN).up()
    before = trial.state_path.read_bytes()

    def broken(self: Path, target: Path) -> Path:
        raise OSError(f"{self.name} cannot be renamed")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match=r"dev\.json\.[0-9a-f]+\.new"):
        trial.program('Thing("first", colour="red")').up()
    monkeypatch.undo()
    assert trial.state_path.read_bytes() == before

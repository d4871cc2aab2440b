"""The journal: what a killed run leaves is read back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from installer.core.errors import HostError
from installer.engine.events import Outcome
from installer.engine.journal import Journal, last_run
from installer.engine.plan import Action, Change, StepId

FIRST, SECOND = StepId("managers", "manager-1", "mark"), StepId("managers", "manager-2", "mark")
CHANGES = (Change("manager-1", Action.CREATE, "create it"),)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, command="up", now=lambda: NOON)


def test_intent_is_on_disk_before_the_act(journal: Journal, tmp_path: Path) -> None:
    """Whoever reads the file in that moment sees what was begun."""
    journal.begin(FIRST, CHANGES)
    seen = last_run(tmp_path)
    assert seen is not None
    assert (seen.command, seen.started, seen.outcome, seen.begun) == ("up", NOON, None, (FIRST,))


def test_what_a_command_was_told_is_kept(tmp_path: Path) -> None:
    """So that it can be repeated; journals of earlier versions have no such words."""
    told = {"versions": {"team-a": "1.37.2"}, "at_once": 2}
    Journal(tmp_path, command="upgrade", arguments=told, now=lambda: NOON).begin(FIRST, CHANGES)
    seen = last_run(tmp_path)
    assert seen is not None
    assert seen.arguments == told
    Journal(tmp_path, command="up", now=lambda: NOON.replace(hour=13)).begin(FIRST, CHANGES)
    seen = last_run(tmp_path)
    assert seen is not None
    assert seen.arguments == {}


def test_a_finished_run_has_nothing_begun(journal: Journal, tmp_path: Path) -> None:
    """Its outcome and its failures are kept."""
    journal.begin(FIRST, CHANGES)
    journal.begin(SECOND, CHANGES)
    journal.end(FIRST, Outcome.DONE)
    journal.end(SECOND, Outcome.FAILED, HostError("the disk is full"))
    journal.finish(Outcome.FAILED)
    seen = last_run(tmp_path)
    assert seen is not None
    assert (seen.outcome, seen.begun, seen.failed) == (Outcome.FAILED, (), (SECOND,))


def test_a_run_with_nothing_to_do_is_written_down_when_it_settles_an_earlier_one(tmp_path: Path) -> None:
    """Otherwise the killed run would be told for ever."""
    killed = Journal(tmp_path, command="up", now=lambda: NOON)
    killed.begin(FIRST, CHANGES)
    for hour in (13, 14):
        Journal(tmp_path, command="up", now=lambda hour=hour: NOON.replace(hour=hour)).finish(Outcome.DONE)  # type: ignore[misc]
    seen = last_run(tmp_path)
    assert seen is not None
    assert (seen.outcome, seen.begun) == (Outcome.DONE, ())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_torn_last_line_does_not_count(journal: Journal, tmp_path: Path) -> None:
    """A kill in the middle of a write loses that line and no other."""
    journal.begin(FIRST, CHANGES)
    whole = journal.path.read_bytes()
    journal.begin(SECOND, CHANGES)
    torn = journal.path.read_bytes()
    for length in range(len(whole), len(torn)):
        journal.path.write_bytes(torn[:length])
        seen = last_run(tmp_path)
        assert seen is not None
        assert seen.begun == (FIRST,)


def test_the_newest_run_is_the_one_that_counts(tmp_path: Path) -> None:
    """Older ones are history."""
    for hour in (10, 11):
        journal = Journal(tmp_path, command=f"run at {hour}", now=lambda hour=hour: NOON.replace(hour=hour))  # type: ignore[misc]
        journal.begin(FIRST, CHANGES)
    seen = last_run(tmp_path)
    assert seen is not None
    assert seen.command == "run at 11"


def test_without_a_journal_there_was_no_run(tmp_path: Path) -> None:
    """An empty or missing directory, or a file that was torn before its first line ended."""
    assert last_run(tmp_path / "none") is None
    (tmp_path / "20261123T120000Z-1.jsonl").write_text('{"time"')
    assert last_run(tmp_path) is None

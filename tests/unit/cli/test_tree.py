"""The live tree: what it shows of a run, and how it fits a screen."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from installer.cli import tree
from installer.cli.reporters import JsonLines, LiveTree, PlainLines
from installer.cli.run_view import RunView
from installer.core.errors import HostError
from installer.engine import events
from installer.engine.events import Outcome
from installer.engine.plan import Action, Change, StepId
from tests.conftest import Golden

MANAGERS = ("manager-1", "manager-2", "manager-3")


def step(target: str, phase: str = "managers") -> StepId:
    """A step of a phase on a target."""
    return StepId(phase, target, "install-host")


STORY: tuple[tuple[float, events.Event], ...] = (
    (
        0,
        events.PlanStarted(
            "upgrade",
            "upgrade harbor 2026.10 -> 2026.11",
            (
                events.PhaseOutline("snapshot", "Snapshot", "parallel"),
                events.PhaseOutline("managers", "Managers", "serial, one at a time, guard: etcd-quorum"),
                events.PhaseOutline("workers", "Workers", "batches of 10%"),
            ),
        ),
    ),
    (17, events.PhaseStarted("snapshot", ("manager-1",))),
    (20, events.PhaseDone("snapshot", changed=True, seconds=3)),
    (20, events.PhaseStarted("managers", MANAGERS)),
    (20, events.StepStarted(step("manager-1"), "Configure host", (Change("manager-1", Action.UPDATE, "write it"),))),
    (30, events.StepProgress(step("manager-1"), "uploading", 0.456)),
    (47, events.StepDone(step("manager-1"), changed=True, seconds=27)),
    (47, events.TargetDone("managers", "manager-1", changed=True)),
    (63, events.StepStarted(step("manager-2"), "Configure host", ())),
    (64, events.StepWaiting(step("manager-2"), "etcd member manager-1 is still a learner")),
)
FAILURE = HostError("no space left on device", host="manager-2", step="Configure host")
END: tuple[tuple[float, events.Event], ...] = (
    (80, events.StepFailed(step("manager-2"), FAILURE, 17)),
    (80, events.PhaseFailed("managers", 60)),
    (80, events.Finished(Outcome.FAILED, changed=True, seconds=80)),
)


class FakeClock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def view_of(*story: tuple[float, events.Event]) -> RunView:
    """The view after these events."""
    view = RunView("")
    for when, event in story:
        view.apply(event, when)
    return view


def drawn(view: RunView, *, now: float, width: int = 90, height: int = 40) -> str:
    """The tree as text."""
    return "\n".join(map(str, tree.lines(view, now=now, width=width, height=height))) + "\n"


def test_the_tree_is_that_of_the_design(golden: Golden) -> None:
    """State, elapsed time and the reason for each wait."""
    golden("cli/tree-running.txt", drawn(view_of(*STORY), now=72))


def test_progress_is_told_beside_the_target(golden: Golden) -> None:
    """With a percentage where it is known."""
    golden("cli/tree-progress.txt", drawn(view_of(*STORY[:6]), now=31))


def test_a_failed_phase_shows_what_failed_and_what_was_not_started(golden: Golden) -> None:
    """Targets that are done, or never began, are folded away."""
    golden("cli/tree-failed.txt", drawn(view_of(*STORY, *END), now=99))


def test_a_stopped_run_is_not_a_failed_one() -> None:
    """Nothing failed; the user asked to stop."""
    story = (*STORY, (80.0, events.PhaseFailed("managers", 60)), (80.0, events.Finished(Outcome.INTERRUPTED, True, 80)))
    text = drawn(view_of(*story), now=99)
    assert "STOPPED" in text
    assert "FAILED" not in text


def test_many_targets_are_folded_to_the_height_of_the_screen(golden: Golden) -> None:
    """Those that failed or wait come first; the rest is counted."""
    hosts = tuple(f"worker-{number}" for number in range(1, 1001))
    story = [
        (0.0, events.PlanStarted("up", "up harbor", (events.PhaseOutline("workers", "Workers", "parallel"),))),
        (0.0, events.PhaseStarted("workers", hosts)),
        *((1.0, events.StepStarted(step(host, "workers"), "Configure host", ())) for host in hosts[:40]),
        (2.0, events.StepFailed(step("worker-7", "workers"), FAILURE, 1)),
        (2.0, events.StepWaiting(step("worker-9", "workers"), "the API does not answer")),
        *((3.0, events.TargetDone("workers", host, True)) for host in hosts[20:30]),
    ]
    text = drawn(view_of(*story), now=5, height=12)
    assert len(text.splitlines()) == 12
    golden("cli/tree-folded.txt", text)


@pytest.mark.parametrize("width", [40, 60, 90, 200])
def test_lines_fit_the_width(width: int) -> None:
    """Long ones are cut with an ellipsis, and states stand below each other."""
    text = drawn(view_of(*STORY), now=72, width=width)
    assert max(map(len, text.splitlines())) <= min(width, 110)
    columns = {line.index(state) for line in text.splitlines() for state in ("RUNNING", "WAITING") if state in line}
    assert len(columns) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "0s"), (3.4, "3s"), (59.6, "1m00s"), (72, "1m12s"), (7380, "2h03m"), (360000, "100h00m")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    """Six characters hold what people need."""
    assert tree.duration(seconds) == text


def test_plain_lines_tell_the_same_story(golden: Golden) -> None:
    """A line an event, for pipes and logs."""
    clock, stream = FakeClock(), io.StringIO()
    reporter = PlainLines(stream, clock=clock)
    for when, event in (*STORY, (70.0, events.Note("a note")), *END):
        clock.time = when
        reporter.report(event)
    golden("cli/lines.txt", stream.getvalue())


def test_plain_lines_are_not_flooded_by_progress() -> None:
    """A step that says much is heard now and then."""
    clock, stream = FakeClock(), io.StringIO()
    reporter = PlainLines(stream, clock=clock)
    for number in range(1000):
        clock.time = 100 + number / 100
        reporter.report(events.StepProgress(step("manager-1"), f"file {number}", number / 1000))
    assert len(stream.getvalue().splitlines()) == 2


def test_json_lines_hold_every_event(golden: Golden) -> None:
    """One object a line, errors in full."""
    stream = io.StringIO()
    for _, event in (*STORY, *END):
        JsonLines(stream).report(event)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()][-3:] == [
        "step-failed", "phase-failed", "finished",
    ]  # fmt: skip
    golden("cli/events.jsonl", stream.getvalue())


def test_the_live_tree_ends_with_its_last_state_and_notes_above() -> None:
    """What stays on the terminal when the run is over."""
    clock, stream = FakeClock(), io.StringIO()
    console = Console(file=stream, force_terminal=True, width=90, height=40, no_color=True)
    reporter = LiveTree(console, clock=clock)
    for when, event in (*STORY, (70.0, events.Note("[bold] a note")), *END):
        clock.time = when
        reporter.report(event)
    text = stream.getvalue()
    assert "[bold] a note" in text
    assert "no space left on device" in text.rpartition("a note")[2]
    assert text.rpartition("upgrade harbor")[2].count("FAILED") == 3

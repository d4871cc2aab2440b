"""Runs: strategies, guards, failures, stopping, what is told and what is journalled."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from installer.core.errors import GuardError, HostError, RetryableError
from installer.engine import events, runner
from installer.engine.failures import InterruptedRunError, SeveralFailuresError
from installer.engine.journal import Journal, last_run
from installer.engine.plan import StepId
from installer.engine.playbook import Playbook
from installer.engine.preview import preview
from tests.unit.engine.world import FakeClock, Recorder, World

Run = Callable[[str], runner.RunResult]
MANAGERS = "  - {name: managers, title: Managers, on: {role: manager}, steps: [mark]"


@pytest.fixture
def run(
    world: World, recorder: Recorder, journal: Journal, clock: FakeClock, playbook_of: Callable[[str], Playbook[World]]
) -> Run:
    """Runs a playbook made of the text of its phases."""
    return lambda phases: runner.run(playbook_of(phases), world, reporter=recorder, journal=journal, clock=clock)


def test_what_was_run_is_not_planned_again(
    run: Run, world: World, playbook_of: Callable[[str], Playbook[World]]
) -> None:
    """A second plan is empty."""
    phases = f"{MANAGERS}}}\n"
    assert run(phases).changed
    assert preview(playbook_of(phases), world).empty


def test_a_run_with_nothing_to_do_leaves_no_journal(run: Run, world: World, journal: Journal) -> None:
    """It says that it changed nothing; only what changes something is worth a file."""
    world.done = {(host, "mark") for host in world.hosts}
    assert not run(f"{MANAGERS}}}\n").changed
    assert not journal.path.exists()


@pytest.mark.parametrize(
    ("strategy", "most"), [("serial", 1), ("parallel", 3), ("{batches: 2}", 2), ('{batches: "34%"}', 1)]
)
def test_a_strategy_bounds_what_runs_side_by_side(run: Run, world: World, strategy: str, most: int) -> None:
    """Serial is one at a time, batches as many as they say, parallel all."""
    world.gate.clear()

    def open_when_full() -> None:
        while world.running < most:
            pass
        world.gate.set()

    threading.Thread(target=open_when_full, daemon=True).start()
    run(f"{MANAGERS}, strategy: {strategy}}}\n")
    assert world.most == most
    assert len(world.done) == 3


def test_serial_keeps_the_order_and_stops_at_the_first_failure(run: Run, world: World) -> None:
    """Targets after the one that failed are left alone."""
    world.broken = {"manager-2"}
    with pytest.raises(HostError, match="manager-2: Mark: the disk is full"):
        run(f"{MANAGERS}, strategy: serial}}\n")
    assert world.order == ["manager-1", "manager-2"]


@pytest.mark.parametrize(("broken", "tolerates", "begun"), [("1", 0, 1), ("1", 1, 3), ("12", 1, 2)])
def test_as_many_may_fail_as_a_phase_tolerates(
    journal: Journal, playbook_of: Callable[[str], Playbook[World]], broken: str, tolerates: int, begun: int
) -> None:
    """All failures are told in the end, and the run has failed."""
    world = World(broken={f"manager-{number}" for number in broken})
    book = playbook_of(f"{MANAGERS}, strategy: serial}}\n")
    book = replace(book, phases=tuple(replace(phase, tolerates=tolerates) for phase in book.phases))
    with pytest.raises((HostError, SeveralFailuresError)):
        runner.run(book, world, reporter=Recorder(), journal=journal, clock=FakeClock())
    assert len(world.order) == begun


def test_the_first_target_may_go_alone(
    world: World, recorder: Recorder, journal: Journal, playbook_of: Callable[[str], Playbook[World]]
) -> None:
    """When it fails, no batch is begun."""
    world.broken = {"manager-1"}
    book = playbook_of(f"{MANAGERS}, strategy: {{batches: 3}}}}\n")
    book = replace(book, phases=tuple(replace(phase, first_alone=True) for phase in book.phases))
    with pytest.raises(HostError):
        runner.run(book, world, reporter=recorder, journal=journal, clock=FakeClock())
    assert world.order == ["manager-1"]


def test_all_failures_of_a_parallel_phase_are_told_and_the_others_finish(run: Run, world: World) -> None:
    """One error holds each of them in full; the next phase does not start."""
    world.broken = {"manager-1", "manager-3"}
    with pytest.raises(SeveralFailuresError) as caught:
        run(f"{MANAGERS}}}\n  - {{name: later, title: Later, on: platform, steps: [mark]}}\n")
    assert [error.host for error in caught.value.errors] == ["manager-1", "manager-3"]
    assert "manager-1: Mark: the disk is full" in caught.value.explain()
    assert caught.value.explain().count("command: touch (exit code 1)") == 2
    assert world.done == {("manager-2", "mark")}


def test_a_failed_target_starts_none_of_its_later_steps(run: Run, world: World) -> None:
    """The steps of one target run in order, and end with the first that fails."""
    world.broken = {"manager-1"}
    with pytest.raises(HostError):
        run("  - {name: managers, title: M, on: {hosts: [manager-1]}, steps: [mark, second]}\n")
    assert world.order == ["manager-1"]


def test_a_bug_is_raised_as_it_is_after_the_others_ended(run: Run, world: World, journal: Journal) -> None:
    """What is not an InstallerError keeps its traceback, and the step counts as cut off."""
    world.done = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        run(f"{MANAGERS}}}\n")
    assert not journal.path.exists()


def test_a_guard_is_waited_for_and_tells_each_new_reason_once(run: Run, world: World, recorder: Recorder) -> None:
    """The step starts when the guard holds; the journal shows nothing before."""
    world.reasons = ["one member is down", "one member is down", "a learner is left", None]
    run("  - {name: managers, title: M, on: {hosts: [manager-1]}, guards: [quorum], steps: [mark]}\n")
    told = [event.reason for event in recorder.of(events.StepWaiting)]
    assert told == ["one member is down", "a learner is left"]
    assert world.order == ["manager-1"]


def test_a_guard_that_does_not_hold_in_time_fails_with_its_last_reason(
    run: Run, world: World, journal: Journal
) -> None:
    """Nothing has begun, and the hint of the guard says what to do."""
    world.reasons = ["one member is down"]
    with pytest.raises(GuardError, match="one member is down") as caught:
        run("  - {name: managers, title: M, on: {hosts: [manager-1]}, guards: [quorum], steps: [mark]}\n")
    assert caught.value.hint == "look at etcd"
    assert world.order == []
    assert not journal.path.exists()


def test_a_guard_is_not_asked_when_there_is_nothing_to_do(run: Run, world: World) -> None:
    """A target that is as it should be waits for nothing."""
    world.reasons, world.done = ["never"], {("manager-1", "mark")}
    run("  - {name: managers, title: M, on: {hosts: [manager-1]}, guards: [quorum], steps: [mark]}\n")


def test_what_a_guard_asks_may_fail_to_answer_for_a_while(
    run: Run, world: World, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A RetryableError of the check is a reason to wait, not the end."""
    answers = iter([RetryableError("no answer"), None])

    def pop(_: int) -> str | None:
        if (answer := next(answers)) is not None:
            raise answer
        return None

    world.reasons = _Popping(pop)
    run("  - {name: managers, title: M, on: {hosts: [manager-1]}, guards: [quorum], steps: [mark]}\n")
    assert [event.reason for event in recorder.of(events.StepWaiting)] == ["no answer"]


class _Popping(list[str | None]):
    """A list that seems full and asks a function for what it pops."""

    def __init__(self, pop: Callable[[int], str | None]) -> None:
        super().__init__([None, None])
        self.pop = pop  # type: ignore[assignment,method-assign]


def test_a_step_that_cannot_be_verified_is_undone_and_fails(run: Run, world: World, journal: Journal) -> None:
    """The error is that of the verification; the journal has the failure."""
    world.unverified = {"manager-1"}
    with pytest.raises(HostError, match="it does not answer"):
        run("  - {name: managers, title: M, on: {hosts: [manager-1]}, steps: [careful]}\n")
    assert world.undone == ["manager-1"]
    run_seen = last_run(journal.path.parent)
    assert run_seen is not None
    assert run_seen.failed == (StepId("managers", "manager-1", "careful"),)


def test_background_phases_run_beside_others_until_they_are_needed(run: Run, world: World) -> None:
    """A phase that needs a background phase starts after its end; one that does not need it does not wait."""
    world.gate.clear()
    started = threading.Event()

    def release_when_both_run() -> None:
        while world.running < 2:
            pass
        started.set()
        world.gate.set()

    threading.Thread(target=release_when_both_run, daemon=True).start()
    run(
        "  - {name: bundle, title: B, on: platform, steps: [mark], background: true}\n"
        "  - {name: first, title: F, on: {hosts: [manager-1]}, steps: [mark]}\n"
        "  - {name: second, title: S, on: {hosts: [manager-2]}, steps: [mark], needs: [bundle]}\n"
    )
    assert started.is_set()
    assert world.order[-1] == "manager-2"


def test_a_failure_in_the_background_stops_the_run(run: Run, world: World) -> None:
    """Even when no later phase needs what failed."""
    world.broken = {"harbor"}
    with pytest.raises(HostError, match="the disk is full"):
        run("  - {name: bundle, title: B, on: platform, steps: [mark], background: true}\n" + f"{MANAGERS}}}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_after_the_running_steps(
    run: Run, world: World, recorder: Recorder, journal: Journal, number: signal.Signals
) -> None:
    """What runs comes to its end, nothing more starts, and the journal says that the run was stopped."""
    world.gate.clear()

    def stop_while_running() -> None:
        while world.running < 1:
            pass
        os.kill(os.getpid(), number)
        while not recorder.of(events.Note):
            pass
        world.gate.set()

    threading.Thread(target=stop_while_running, daemon=True).start()
    with pytest.raises(InterruptedRunError):
        run(f"{MANAGERS}, strategy: serial}}\n")
    assert world.order == ["manager-1"]
    run_seen = last_run(journal.path.parent)
    assert run_seen is not None
    assert (run_seen.outcome, run_seen.begun) == (events.Outcome.INTERRUPTED, ())


def test_the_second_signal_stops_at_once_and_the_journal_shows_what_was_cut_off(
    run: Run, world: World, recorder: Recorder, journal: Journal
) -> None:
    """The running step is left where it is; its intent is on disk."""
    world.gate.clear()

    def stop_twice() -> None:
        while world.running < 1:
            pass
        os.kill(os.getpid(), signal.SIGINT)
        while not recorder.of(events.Note):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop_twice, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(f"{MANAGERS}, strategy: serial}}\n")
    run_seen = last_run(journal.path.parent)
    world.gate.set()
    assert run_seen is not None
    assert run_seen.begun == (StepId("managers", "manager-1", "mark"),)


def test_events_tell_the_whole_story_in_order(run: Run, world: World, recorder: Recorder) -> None:
    """What a reporter needs to draw the tree: phases, targets, steps, ends."""
    world.done = {("manager-2", "mark")}
    run("  - {name: managers, title: M, on: {hosts: [manager-1, manager-2]}, strategy: serial, steps: [mark]}\n")
    assert [type(event).__name__ for event in recorder.events] == [
        *("PlanStarted", "PhaseStarted"),
        *("StepStarted", "StepProgress", "StepDone", "TargetDone"),
        *("StepDone", "TargetDone", "PhaseDone", "Finished"),
    ]
    done = recorder.of(events.TargetDone)
    assert [(event.target, event.changed) for event in done] == [("manager-1", True), ("manager-2", False)]

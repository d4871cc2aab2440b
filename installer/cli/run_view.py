"""What a run looks like at a moment, built from its events; says nothing about how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from installer.engine import events
from installer.engine.plan import StepId


class State(StrEnum):
    """The state of a run, a phase or a target."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass
class Node:
    """Something with a state that takes time."""

    name: str
    state: State = State.PENDING
    started: float | None = None
    seconds: float | None = None  # once it ended
    activity: str = ""  # what it is at, or waits for

    def start(self, now: float) -> None:
        self.state = State.RUNNING
        self.started = now if self.started is None else self.started

    def end(self, state: State, now: float) -> None:
        self.state, self.activity = state, ""
        self.seconds = now - self.started if self.started is not None else None

    def elapsed(self, now: float) -> float | None:
        """Seconds so far, or in all; None before the start."""
        if self.seconds is not None or self.started is None:
            return self.seconds
        return now - self.started


@dataclass
class Phase(Node):
    """A phase and the targets it acts on, in order."""

    strategy: str = ""
    targets: dict[str, Node] = field(default_factory=dict)


@dataclass
class RunView(Node):
    """A whole run."""

    phases: dict[str, Phase] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def apply(self, event: events.Event, now: float) -> None:
        """Take in what happened at `now`."""
        match event:
            case events.PlanStarted():
                self.name = event.title
                self.phases = {p.name: Phase(p.name, strategy=p.strategy) for p in event.phases}
                self.start(now)
            case events.Note(text):
                self.notes.append(text)
            case events.Finished(outcome):
                ended = {events.Outcome.DONE: State.COMPLETE, events.Outcome.INTERRUPTED: State.STOPPED}
                self.end(ended.get(outcome, State.FAILED), now)
            case events.PhaseStarted(name, targets):
                self.phases[name].targets = {target: Node(target) for target in targets}
                self.phases[name].start(now)
            case events.PhaseDone(name):
                self.phases[name].end(State.COMPLETE, now)
            case events.PhaseFailed(name):
                phase = self.phases[name]
                failed = any(target.state is State.FAILED for target in phase.targets.values())
                for target in phase.targets.values():
                    if target.state in (State.RUNNING, State.WAITING):
                        target.end(State.STOPPED, now)
                phase.end(State.FAILED if failed else State.STOPPED, now)
            case events.TargetDone(name, target_name):
                self.phases[name].targets[target_name].end(State.COMPLETE, now)
            case _:
                self._apply_to_target(event, now)

    def _apply_to_target(self, event: events.StepEvent, now: float) -> None:
        target = self._target(event.id)
        match event:
            case events.StepStarted():
                target.start(now)
                target.activity = event.title
            case events.StepProgress():
                target.start(now)
                percent = "" if event.fraction is None else f" {event.fraction:.0%}"
                target.activity = f"{event.text}{percent}"
            case events.StepWaiting():
                target.state = State.WAITING
                target.activity = f"waiting: {event.reason}"
            case events.StepFailed():
                target.end(State.FAILED, now)
                target.activity = event.error.what.splitlines()[0]
            case events.StepDone():
                target.activity = ""  # the next step says what it does

    def _target(self, step: StepId) -> Node:
        return self.phases[step.phase].targets[step.target]

"""The three ways to show progress: a live tree, plain lines, JSON lines; each may be called from any thread."""

from __future__ import annotations

import json
import threading
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from installer.cli import tree
from installer.cli.run_view import RunView, State
from installer.core.clock import Clock, SystemClock
from installer.engine import events
from installer.engine.plan import StepId

_STYLES = {
    State.PENDING: "dim",
    State.RUNNING: "cyan",
    State.WAITING: "yellow",
    State.COMPLETE: "green",
    State.FAILED: "bold red",
    State.STOPPED: "yellow",
}
_QUIET_S = 5.0  # a step that tells its progress in plain lines is heard this often


class LiveTree:
    """The plan tree, redrawn four times a second while a run lasts; notes stay above it."""

    def __init__(self, console: Console, *, clock: Clock | None = None) -> None:
        self._console = console
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._view = RunView("")
        self._live: Live | None = None

    @classmethod
    def on_stderr(cls, *, colour: bool) -> LiveTree:
        """The tree on the user's terminal."""
        return cls(Console(stderr=True, no_color=not colour))

    def report(self, event: events.Event) -> None:
        # rich calls draw() under its own lock: were ours held while rich is called, each could wait for the other.
        if isinstance(event, events.Note):
            self._console.print(event.text, highlight=False, markup=False)
            return
        with self._lock:
            if isinstance(event, events.PlanStarted):
                self._view = RunView("")
            self._view.apply(event, self._clock.now())
        if isinstance(event, events.PlanStarted):
            self._live = Live(console=self._console, get_renderable=self.draw, refresh_per_second=4)
            self._live.start()
        elif isinstance(event, events.Finished) and self._live is not None:
            self._live.stop()

    def draw(self) -> Group:
        """The tree as it is now."""
        with self._lock:
            size = self._console.size
            drawn = tree.lines(self._view, now=self._clock.now(), width=size.width, height=size.height - 1)
        return Group(*map(_coloured, drawn))


class PlainLines:
    """A line an event, for pipes and logs."""

    def __init__(self, stream: TextIO, *, clock: Clock | None = None) -> None:
        self._stream = stream
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._started = self._clock.now()
        self._told: dict[str, tuple[str, float]] = {}

    def report(self, event: events.Event) -> None:
        with self._lock:
            now = self._clock.now()
            text = self._line(event, now)
            if text:
                self._stream.write(f"[{tree.duration(now - self._started):>6}] {text}\n")
                self._stream.flush()

    def _line(self, event: events.Event, now: float) -> str:
        """The line, or nothing when the step said much the same a moment ago."""
        match event:
            case events.StepProgress(step, said):
                return self._once(step, f"{step}: {said}", now)
            case events.StepWaiting(step, reason):
                return self._once(step, f"{step}: waiting: {reason}", now)
            case _:
                return _line(event)

    def _once(self, step: StepId, line: str, now: float) -> str:
        text, when = self._told.get(str(step), ("", 0.0))
        if line == text or now - when < _QUIET_S:
            return ""
        self._told[str(step)] = (line, now)
        return line


class JsonLines:
    """A JSON object an event, for programs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def report(self, event: events.Event) -> None:
        with self._lock:
            self._stream.write(json.dumps(events.to_json(event)) + "\n")
            self._stream.flush()


def _coloured(line: tree.Line) -> Text:
    text = Text(str(line), no_wrap=True, overflow="ellipsis")
    text.stylize(_STYLES[line.state], len(line.text))
    return text


def _line(event: events.Event) -> str:
    text = ""
    match event:
        case events.PlanStarted(title=title):
            text = title
        case events.PhaseStarted(phase, targets):
            text = f"{phase}: started on {len(targets)} {'target' if len(targets) == 1 else 'targets'}"
        case events.PhaseDone(phase, changed, seconds):
            text = f"{phase}: done in {tree.duration(seconds)}" if changed else f"{phase}: nothing to do"
        case events.PhaseFailed(phase, seconds):
            text = f"{phase}: ended early after {tree.duration(seconds)}"
        case events.StepStarted(step, title):
            text = f"{step}: {title}"
        case events.StepDone(step, True, seconds):
            text = f"{step}: done in {tree.duration(seconds)}"
        case events.StepFailed(step, error, seconds):
            text = f"{step}: FAILED after {tree.duration(seconds)}: {error}"
        case events.Note(note):
            text = note
        case events.Finished(outcome, _, seconds):
            text = f"{outcome} after {tree.duration(seconds)}"
    return text

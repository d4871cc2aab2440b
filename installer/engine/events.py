"""What happens while a plan runs, as data: the live tree, plain lines and JSON lines are all made from these."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

from installer.core.errors import InstallerError
from installer.engine.plan import Change, StepId, changes_to_json


@dataclass(frozen=True)
class PhaseOutline:
    """A phase before its targets are known."""

    name: str
    title: str
    strategy: str


@dataclass(frozen=True)
class PlanStarted:
    """A run began; the phases come in this order."""

    name: str
    title: str
    phases: tuple[PhaseOutline, ...]


@dataclass(frozen=True)
class PhaseStarted:
    """A phase began on these targets, whether there is work on them or not."""

    phase: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class PhaseDone:
    """All steps of a phase are done."""

    phase: str
    changed: bool
    seconds: float


@dataclass(frozen=True)
class PhaseFailed:
    """Steps of a phase failed, or it was stopped; phases after it do not start."""

    phase: str
    seconds: float


@dataclass(frozen=True)
class TargetDone:
    """All steps of a phase are done on one target; `changed` is False when there was nothing to do."""

    phase: str
    target: str
    changed: bool


@dataclass(frozen=True)
class StepStarted:
    """A step began; it has these changes to make."""

    id: StepId
    title: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class StepProgress:
    """What a step is at now; `fraction` from 0 to 1 where it is known."""

    id: StepId
    text: str
    fraction: float | None = None


@dataclass(frozen=True)
class StepWaiting:
    """Why a step does not go on yet."""

    id: StepId
    reason: str


@dataclass(frozen=True)
class StepDone:
    """A step is done; `changed` is False when there was nothing to do."""

    id: StepId
    changed: bool
    seconds: float


@dataclass(frozen=True)
class StepFailed:
    """A step failed; the others of its batch go on to their end."""

    id: StepId
    error: InstallerError
    seconds: float


@dataclass(frozen=True)
class Note:
    """Something the user should know that belongs to no step."""

    text: str


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Finished:
    """A run ended."""

    outcome: Outcome
    changed: bool
    seconds: float


StepEvent = StepStarted | StepProgress | StepWaiting | StepDone | StepFailed
Event = PlanStarted | PhaseStarted | PhaseDone | PhaseFailed | TargetDone | StepEvent | Note | Finished


class Reporter(Protocol):
    """Shows events to the user; may be called from any thread, and must not raise."""

    def report(self, event: Event) -> None: ...


class Silent:
    """A reporter that shows nothing."""

    def report(self, event: Event) -> None:
        """Drop the event."""


@dataclass(frozen=True)
class StepReport:
    """What a running step tells about itself."""

    id: StepId
    emit: Callable[[Event], None]

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Say what the step is at."""
        self.emit(StepProgress(self.id, text, fraction))

    def waiting(self, reason: str) -> None:
        """Say what the step waits for."""
        self.emit(StepWaiting(self.id, reason))


def to_json(event: Event) -> dict[str, Any]:
    """Plain data for JSON lines: `event` names the kind in kebab-case, the rest are its fields."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(event).__name__).lower()
    return {"event": kind, **{f.name: _plain(getattr(event, f.name)) for f in fields(event)}}


def _plain(value: Any) -> Any:
    if isinstance(value, InstallerError):
        return value.to_json()
    if isinstance(value, StepId):
        return str(value)
    if isinstance(value, PhaseOutline):
        return {"name": value.name, "title": value.title, "strategy": value.strategy}
    if isinstance(value, Change):
        return changes_to_json([value])[0]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value

"""A small world for the engine: targets that steps mark as done, a clock that only sleeping moves, kept events."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from installer.core.errors import HostError
from installer.engine import events
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import HostSelector, RoleSelector, Selector
from installer.engine.registry import GuardRegistry, StepRegistry


@dataclass
class World:
    """What steps see and change."""

    hosts: Sequence[str] = ("manager-1", "manager-2", "manager-3")
    done: set[tuple[str, str]] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)  # targets on which running fails
    unverified: set[str] = field(default_factory=set)  # targets on which verifying fails
    undone: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)  # what the guard says, the last one for ever
    running: int = 0
    most: int = 0  # that ran side by side
    gate: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    def targets(self, selector: Selector) -> Sequence[Target]:
        match selector:
            case RoleSelector(role=role):
                return [Target("host", name) for name in self.hosts if name.startswith(role)]
            case HostSelector(hosts=names):
                return [Target("host", name) for name in names]
            case "hosts":
                return [Target("host", name) for name in self.hosts]
        return [Target("platform", "harbor")]


STEPS: StepRegistry[World] = StepRegistry()
GUARDS: GuardRegistry[World] = GuardRegistry()


class Marks:
    """Marks its target as done; fails where the world says so."""

    title = "Mark"
    name = "mark"

    def plan(self, ctx: World, target: Target) -> Sequence[Change]:
        if (target.name, self.name) in ctx.done:
            return ()
        return (Change(target.name, Action.CREATE, f"{self.name} it"),)

    def run(self, ctx: World, target: Target, report: StepReport) -> None:
        with ctx.lock:
            ctx.running += 1
            ctx.most = max(ctx.most, ctx.running)
        report.progress("marking")
        assert ctx.gate.wait(timeout=10)
        with ctx.lock:
            ctx.running -= 1
            ctx.order.append(target.name)
        if target.name in ctx.broken:
            raise HostError("the disk is full", command="touch", status=1)
        ctx.done.add((target.name, self.name))


@STEPS.step("mark")
class Mark(Marks):
    """The plain step."""


@STEPS.step("second")
class Second(Marks):
    """Another one, to follow it."""

    title = "Mark again"
    name = "second"


@STEPS.step("careful")
class Careful(Marks):
    """One that verifies and can be undone."""

    title = "Mark with care"
    name = "careful"

    def verify(self, ctx: World, target: Target, report: StepReport) -> None:
        if target.name in ctx.unverified:
            raise HostError("it does not answer")

    def undo(self, ctx: World, target: Target, report: StepReport) -> None:
        ctx.undone.append(target.name)


@GUARDS.guard("quorum", timeout_s=10, hint="look at etcd")
def quorum(ctx: World, target: Target) -> str | None:
    """Says what the world is told to say."""
    return ctx.reasons.pop(0) if len(ctx.reasons) > 1 else (ctx.reasons[0] if ctx.reasons else None)


class Recorder:
    """A reporter that keeps every event."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []

    def report(self, event: events.Event) -> None:
        self.events.append(event)

    def of(self, kind: type[events.Event]) -> list[events.Event]:
        return [event for event in self.events if isinstance(event, kind)]


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

"""One step on one target: planned, guarded, journalled, run, verified, and undone when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from installer.core.clock import Clock, wait_until
from installer.core.errors import GuardError, InstallerError, RetryableError, WaitTimeoutError
from installer.engine import events
from installer.engine.failures import InterruptedRunError, placed
from installer.engine.journal import Journal
from installer.engine.plan import StepId, Target
from installer.engine.playbook import NamedStep, Phase
from installer.engine.registry import Guard, Step, Undoes, Verifies

C = TypeVar("C")


@dataclass(frozen=True)
class Surroundings:
    """What every step of a run shares."""

    reporter: events.Reporter
    journal: Journal
    clock: Clock
    stopping: Callable[[], bool]  # True: start nothing more


def run_step(around: Surroundings, ctx: C, phase: Phase[C], named: NamedStep[C], target: Target) -> bool:
    """True when the step had something to do and did it, False when there was nothing; raises what made it fail."""
    step, where = named.step, StepId(phase.name, target.name, named.name)
    report = events.StepReport(where, around.reporter.report)
    started = around.clock.now()
    try:
        changes = tuple(step.plan(ctx, target))
        if changes:
            around.reporter.report(events.StepStarted(where, step.title, changes))
            for guard in phase.guards:
                _wait_for(guard, around, ctx, target, report)
            around.journal.begin(where, changes)
            _act(around, ctx, step, target, report)
    except InterruptedRunError:
        raise
    except InstallerError as exc:
        error = placed(exc, target, step.title)
        around.reporter.report(events.StepFailed(where, error, around.clock.now() - started))
        raise error from exc.__cause__
    around.reporter.report(events.StepDone(where, bool(changes), around.clock.now() - started))
    return bool(changes)


def _act(around: Surroundings, ctx: C, step: Step[C], target: Target, report: events.StepReport) -> None:
    try:
        step.run(ctx, target, report)
        if isinstance(step, Verifies):
            step.verify(ctx, target, report)
    except InstallerError as exc:
        _undo(ctx, step, target, report)
        around.journal.end(report.id, events.Outcome.FAILED, exc)
        raise
    around.journal.end(report.id, events.Outcome.DONE)


def _undo(ctx: C, step: Step[C], target: Target, report: events.StepReport) -> None:
    """Put the target back; a failure of that is told beside the first error and never in its place."""
    if not isinstance(step, Undoes):
        return
    try:
        report.progress("putting back what was there before")
        step.undo(ctx, target, report)
    except InstallerError as exc:
        report.emit(events.Note(f"{target}: could not put back what was there before: {exc.explain()}"))


def _wait_for(guard: Guard[C], around: Surroundings, ctx: C, target: Target, report: events.StepReport) -> None:
    told: str | None = None

    def check() -> str | None:
        nonlocal told
        if around.stopping():
            raise InterruptedRunError
        try:
            reason = guard.check(ctx, target)
        except RetryableError as exc:  # what the guard asks does not answer: that is a reason to wait, too
            reason = str(exc)
        if reason and reason != told:
            report.waiting(reason)
        told = reason or told
        return reason

    try:
        wait_until(
            check,
            what=f"guard {guard.name}",
            timeout_s=guard.timeout_s,
            clock=around.clock,
            streak=guard.streak,
            hint=guard.hint,
        )
    except WaitTimeoutError as exc:
        raise GuardError(exc.what, hint=exc.hint) from exc
    if told:
        report.progress(f"guard {guard.name} holds")

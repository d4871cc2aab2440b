"""A playbook planned as a whole, with what is known now; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from installer.core.errors import InstallerError
from installer.engine.failures import combined, placed
from installer.engine.plan import Plan, PlannedPhase, PlannedStep, StepId, Target
from installer.engine.playbook import Phase, Playbook, Selects

S = TypeVar("S", bound=Selects)


def preview(playbook: Playbook[S], ctx: S, *, at_once: int = 32) -> Plan:
    """What `run` would do, looking at `at_once` targets side by side; raises what keeps targets from being planned."""
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="preview")
    try:
        phases = [_phase(phase, ctx, pool) for phase in playbook.phases]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # all are done, or Ctrl-C is not to wait for a slow host
    return Plan(name=playbook.name, title=playbook.title, phases=tuple(phase for phase in phases if phase.steps))


def _phase(phase: Phase[S], ctx: S, pool: ThreadPoolExecutor) -> PlannedPhase:
    planned = list(pool.map(lambda target: _target(phase, ctx, target), ctx.targets(phase.on)))
    if errors := [outcome for outcome in planned if isinstance(outcome, InstallerError)]:
        raise combined(errors)
    steps = tuple(step for outcome in planned if not isinstance(outcome, InstallerError) for step in outcome)
    return PlannedPhase(name=phase.name, title=phase.title, strategy=phase.strategy_text, steps=steps)


def _target(phase: Phase[S], ctx: S, target: Target) -> Sequence[PlannedStep] | InstallerError:
    planned = []
    for named in phase.steps:
        try:
            changes = tuple(named.step.plan(ctx, target))
        except InstallerError as exc:
            return placed(exc, target, named.step.title)
        if changes:
            where = StepId(phase.name, target.name, named.name)
            guards = tuple(guard.name for guard in phase.guards)
            planned.append(PlannedStep(id=where, title=named.step.title, changes=changes, guards=guards))
    return planned

"""Plans and their results as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from installer.cli.tree import duration
from installer.engine.plan import Action, Change, Plan, PlannedPhase

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.REPLACE: "±", Action.RUN: ">"}
_NAMES = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.DELETE: "to delete",
    Action.REPLACE: "to replace",
    Action.RUN: "to run",
}


def whole(plan: Plan, *, detail: bool = False) -> str:
    """The plan as a tree of phases, targets and changes, with the sum below; `detail` adds each change's parts."""
    if plan.empty:
        return "Nothing to do: the platform is as its specification says."
    counts = Counter(change.action for _, change in plan.changes())
    total = ", ".join(f"{counts[action]} {name}" for action, name in _NAMES.items() if counts[action])
    lines = [plan.title]
    for phase in plan.phases:
        lines += _phase(phase, detail=detail)
    return "\n".join([*lines, "", f"Changes: {total}."])


def done(changed: bool, seconds: float) -> str:
    """What to say at the end."""
    return f"Done in {duration(seconds) or '0s'}." if changed else "Nothing to do."


def _phase(phase: PlannedPhase, *, detail: bool) -> Iterator[str]:
    yield f"{phase.name} ({phase.strategy}): {phase.title}"
    for target, steps in groupby(phase.steps, key=lambda step: step.id.target):
        yield f"  {target}"
        for step in steps:
            for change in step.changes:
                yield from _change(change, target, detail=detail)


def _change(change: Change, target: str, *, detail: bool) -> Iterator[str]:
    what = change.summary if change.target == target else f"{change.target}: {change.summary}"
    yield f"    {_SIGNS[change.action]} {what}"
    if detail:
        yield from (f"        {line}" for line in change.detail)

"""Plans and their results as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from installer.cli.tree import duration
from installer.engine.events import Outcome
from installer.engine.journal import Run
from installer.engine.plan import Action, Change, Plan, PlannedPhase
from installer.spec.costs import Costs
from installer.workflows import destroy

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.REPLACE: "±", Action.RUN: ">"}
NAMES = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.DELETE: "to delete",
    Action.REPLACE: "to replace",
    Action.RUN: "to run",
}


def whole(plan: Plan, *, detail: bool = False) -> str:
    """The plan as a tree of phases, targets and changes, with the sum below; `detail` adds each change's parts."""
    costs = ["", *costs_lines(plan.costs)] if plan.costs else []
    if plan.empty:
        return "\n".join(["Nothing to do: the platform is as its specification says.", *costs])
    counts = Counter(change.action for _, change in plan.changes())
    total = ", ".join(f"{counts[action]} {name}" for action, name in NAMES.items() if counts[action])
    lines = [plan.title]
    for phase in plan.phases:
        lines += _phase(phase, detail=detail)
    return "\n".join([*lines, "", f"Changes: {total}.", *costs])


def costs_lines(costs: Costs) -> Iterator[str]:
    """What it costs a month, before and after, with all that is rented afterwards, and what has no price."""
    before, after = costs.totals
    yield (
        f"Costs a month in {costs.currency}, by prices of {costs.prices_of}: "
        f"{before:,.2f} -> {after:,.2f} ({after - before:+,.2f}), without {costs.without}."
    )
    for cost in costs.after:
        yield f"  {cost}: {'no price' if cost.month is None else f'{cost.month:,.2f}'}"


def last_run(run: Run | None, held: str) -> str:
    """How far the last run came, and who holds the platform still."""
    lines = [f"PAUSED by {held}: `moorage plan resume` goes on."] if held else []
    if run is None:
        return "\n".join([*lines, "No plan has changed anything yet."])
    lines.append(f"`{run.command}`, begun {run.started:%Y-%m-%d %H:%M:%S} UTC: {_ended(run)}")
    lines += [f"  steps done: {len(run.done)}"] if run.done else []
    lines += [f"  failed: {step}" for step in run.failed]
    lines += [f"  cut off: {step}" for step in run.begun]
    if run.outcome is not Outcome.DONE and not held:
        # What takes away is said again by a person.
        again = run.command if run.command == destroy.COMMAND else "moorage plan retry"
        lines.append(f"`{again}` goes on from there.")
    return "\n".join(lines)


def _ended(run: Run) -> str:
    return run.outcome.value if run.outcome else "still running, or killed"


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

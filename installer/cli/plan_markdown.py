"""Plans as Markdown, for comments on a change: the sum first, each phase to be unfolded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from installer.cli import plan_text
from installer.cli.plan_text import NAMES
from installer.engine.plan import Action, Change, Plan, PlannedPhase
from installer.spec.costs import Costs

# What a code block in the language `diff` shows in green, orange and red.
_SIGNS: Final = {Action.CREATE: "+", Action.UPDATE: "!", Action.DELETE: "-", Action.REPLACE: "-", Action.RUN: "#"}
_FENCE: Final = "```"
# GitHub takes comments of 65,536 characters, GitLab of more.
_MOST: Final = 60_000


def whole(plan: Plan) -> str:
    """The plan with its digest, which is that of the saved plan too; what does not fit is counted, not shown."""
    costs = _costs(plan.costs) if plan.costs else ""
    if plan.empty:
        return f"**Moorage: nothing to do.** The platform is as its specification says.\n\n{costs}".rstrip()
    counts = Counter(change.action for _, change in plan.changes())
    total = ", ".join(f"{counts[action]} {name}" for action, name in NAMES.items() if counts[action])
    head = f"**Moorage: {total}.**\n\n{costs}"
    foot = f"\nPlan `{plan.digest[:12]}`. `moorage up --plan` does this, or nothing."
    phases, left, room = [], 0, _MOST - len(head) - len(foot)
    for phase in plan.phases:
        text = "\n".join(_phase(phase)) + "\n"
        if left or len(text) > room:
            left += _count(phase)
            continue
        phases.append(text)
        room -= len(text)
    more = f"\nAnd {left} more changes, which do not fit here: `moorage plan show`.\n" if left else ""
    return "".join([head, *phases, more, foot])


def _costs(costs: Costs) -> str:
    """The sum in sight, its parts to be unfolded."""
    first, *parts = plan_text.costs_lines(costs)
    unpriced = f" <b>No price for: {', '.join(costs.unpriced)}.</b>" if costs.unpriced else ""
    lines = [f"<details><summary>{first}{unpriced}</summary>", "", *(f"- {part.strip()}" for part in parts)]
    return "\n".join([*lines, "", "</details>", "", ""])


def _phase(phase: PlannedPhase) -> Iterator[str]:
    yield f"<details><summary><b>{phase.name}</b>: {_plain(phase.title)} ({_count(phase)})</summary>"
    yield ""
    yield f"{_FENCE}diff"
    for step in phase.steps:
        for change in step.changes:
            yield _line(change, step.id.target)
    yield _FENCE
    yield ""
    yield "</details>"


def _line(change: Change, target: str) -> str:
    where = target if change.target == target else f"{target}: {change.target}"
    return f"{_SIGNS[change.action]} {where}: {change.summary}".replace(_FENCE, "'''")


def _count(phase: PlannedPhase) -> int:
    return sum(len(step.changes) for step in phase.steps)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

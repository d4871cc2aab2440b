"""A saved plan is a contract: `up --plan FILE` does that, or what is left of it; else it refuses and shows why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from installer.core.errors import InstallerError
from installer.engine.plan import Plan, difference


def save(plan: Plan, path: Path) -> None:
    """Write the plan to a file; raises InstallerError when that cannot be done."""
    try:
        # One line: Python indents with its slow encoder, and `moorage plan show` is for readers.
        path.write_text(json.dumps(plan.to_json()) + "\n", encoding="utf-8")
    except OSError as exc:
        raise InstallerError(f"cannot write {path}: {exc.strerror}", hint="name another file with --save") from exc


def load(path: Path) -> Plan:
    """The plan that `save` wrote; raises InstallerError for anything else."""
    hint = "`moorage preview --save FILE` writes one"
    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise InstallerError(f"cannot read {path}: {exc.strerror}", hint=hint) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise InstallerError(f"{path} is not a saved plan", cause=str(exc), hint=hint) from exc


def _parts(plan: Plan) -> Counter[tuple[object, ...]]:
    """Every change in as many parts as it names: some of them may be done already."""
    return Counter(
        (where, change.target, change.action, change.summary, part)
        for where, change in plan.changes()
        for part in change.detail or ("",)
    )


def require_same(saved: Plan, now: Plan) -> None:
    """Raise InstallerError that shows the difference, unless all that would be done now was saved.

    Less than that is what is left of it: a run that carried it out was killed, and is followed by this one.
    """
    if saved.name != now.name or _parts(now) - _parts(saved):
        raise InstallerError(
            "what would be done now is not what was saved",
            last_lines=difference(saved, now),
            cause="the specification, the hosts or the platform changed since the plan was saved",
            hint="look at the difference, then save a new plan with `moorage preview --save FILE`",
        )

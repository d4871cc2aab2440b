"""The plan tree as data: what will be done, phase by phase, as it is shown, saved, compared and journalled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from installer.spec.costs import Costs

FORMAT = 1  # of the saved form; raised when an older reader could misread a newer file


class Action(StrEnum):
    """What a change does to its target."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    RUN = "run"


@dataclass(frozen=True)
class Target:
    """What a step acts on. `kind` is platform, region, host or cluster; names are unique within a kind.

    `group`: targets of one may be away together, so that a batch has targets of one only.
    """

    kind: str
    name: str
    group: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class StepId:
    """Where a step stands in the plan; the same in every run, so that two plans can be compared."""

    phase: str
    target: str
    step: str

    def __str__(self) -> str:
        return f"{self.phase}/{self.target}/{self.step}"


@dataclass(frozen=True)
class Change:
    """One thing that a step will do, in words that hold no secret. `detail` has a line for each part of it."""

    target: str
    action: Action
    summary: str
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.action} {self.target}: {self.summary}"


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step with work to do on one target."""

    id: StepId
    title: str
    changes: tuple[Change, ...]
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedPhase:
    """The steps of one phase that have work to do, in order; `strategy` in words, such as "batches of 10%"."""

    name: str
    title: str
    strategy: str
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a playbook will do to a platform. Phases without work are left out. `costs`: of the platform, a month."""

    name: str
    title: str
    phases: tuple[PlannedPhase, ...]
    costs: Costs | None = field(default=None, compare=False)

    @property
    def empty(self) -> bool:
        return not self.phases

    def changes(self) -> Iterator[tuple[StepId, Change]]:
        """Every change with the step that makes it, in order."""
        for phase in self.phases:
            for step in phase.steps:
                for change in step.changes:
                    yield step.id, change

    @property
    def digest(self) -> str:
        """The same for two plans that make the same changes in the same places, whatever the titles say."""
        entries = [
            [str(where), change.target, change.action, change.summary, *change.detail]
            for where, change in self.changes()
        ]
        return hashlib.sha256(json.dumps([self.name, *sorted(entries)]).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain data for `-o json` and for a saved plan."""
        return {
            "format": FORMAT,
            "name": self.name,
            "title": self.title,
            "digest": self.digest,
            "phases": [_phase_to_json(phase) for phase in self.phases],
            **({"costs": self.costs.to_json()} if self.costs else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan behind `to_json`; raises ValueError, KeyError or TypeError for anything else."""
        if data["format"] != FORMAT:
            raise ValueError(f"plan format {data['format']} is not the one this version reads ({FORMAT})")
        plan = cls(
            name=data["name"],
            title=data["title"],
            phases=tuple(map(_phase_from_json, data["phases"])),
            costs=Costs.from_json(data["costs"]) if "costs" in data else None,
        )
        if plan.digest != data["digest"]:
            raise ValueError("the plan was edited: its digest does not fit its changes")
        return plan


def difference(saved: Plan, now: Plan) -> tuple[str, ...]:
    """One line a change that only one of the plans makes: `-` only in `saved`, `+` only in `now`."""
    before, after = set(saved.changes()), set(now.changes())
    gone = [f"- {where}: {change}" for where, change in saved.changes() if (where, change) not in after]
    new = [f"+ {where}: {change}" for where, change in now.changes() if (where, change) not in before]
    return (*gone, *new)


def _phase_to_json(phase: PlannedPhase) -> dict[str, Any]:
    steps = [
        {
            "target": step.id.target,
            "step": step.id.step,
            "title": step.title,
            "guards": list(step.guards),
            "changes": changes_to_json(step.changes),
        }
        for step in phase.steps
    ]
    return {"name": phase.name, "title": phase.title, "strategy": phase.strategy, "steps": steps}


def changes_to_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Plain data, as plans and journals hold it."""
    return [
        {"target": c.target, "action": str(c.action), "summary": c.summary, "detail": list(c.detail)} for c in changes
    ]


def changes_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """The changes behind `changes_to_json`."""
    return tuple(Change(c["target"], Action(c["action"]), c["summary"], tuple(c["detail"])) for c in data)


def _phase_from_json(data: Mapping[str, Any]) -> PlannedPhase:
    steps = tuple(
        PlannedStep(
            id=StepId(data["name"], step["target"], step["step"]),
            title=step["title"],
            changes=changes_from_json(step["changes"]),
            guards=tuple(step["guards"]),
        )
        for step in data["steps"]
    )
    return PlannedPhase(name=data["name"], title=data["title"], strategy=data["strategy"], steps=steps)

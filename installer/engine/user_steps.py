"""Steps that users add: a script on chosen hosts, before or after a phase, from steps.d beside their specification."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import Field, model_validator

from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import HostSelector, Model, NamedStep, Phase, Playbook, RoleSelector, Strategy, Word
from installer.spec import faults, source

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)

DIRECTORY = "steps.d"


class UserStepModel(Model):
    """A file in steps.d."""

    name: Word
    title: str = ""
    playbook: Literal["up", "destroy"] = "up"
    before: Word | None = None
    after: Word | None = None
    on: Literal["hosts"] | RoleSelector | HostSelector = "hosts"
    strategy: Strategy = "parallel"
    script: str = Field(min_length=1)
    always: bool = False

    @model_validator(mode="after")
    def _exactly_one_place(self) -> UserStepModel:
        if (self.before is None) == (self.after is None):
            raise ValueError("give either before or after, with the name of a phase")
        return self


@dataclass(frozen=True, kw_only=True)
class Script:
    """What is to be run: a file's name and text. `digest` tells one text from another."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


class ScriptRunner(Protocol[C_contra]):
    """How the workflow runs scripts on hosts."""

    def ran(self, ctx: C_contra, target: Target, script: Script, /) -> bool:
        """True when this very text has run to its end on the host before."""
        ...

    def run(self, ctx: C_contra, target: Target, script: Script, report: StepReport, /) -> None:
        """Run it as root and remember that; raises HostError when it fails."""
        ...


@dataclass(frozen=True)
class UserStep(Generic[C]):
    """A script as a step like any other."""

    title: str
    script: Script
    runner: ScriptRunner[C]
    always: bool

    def plan(self, ctx: C, target: Target) -> Sequence[Change]:
        """One change, unless this text of the script has run here before."""
        if not self.always and self.runner.ran(ctx, target, self.script):
            return ()
        return (Change(target.name, Action.RUN, f"run {self.script.name}"),)

    def run(self, ctx: C, target: Target, report: StepReport) -> None:
        """Run the script."""
        self.runner.run(ctx, target, self.script, report)


def insert(playbook: Playbook[C], directory: Path, runner: ScriptRunner[C]) -> Playbook[C]:
    """The playbook with a phase for each file of `directory` that is meant for it, in the order of the files' names.

    Raises SpecError for all that is wrong in any of the files.
    """
    read = [faults.read_one(UserStepModel, file) for file in sorted(directory.glob("*.yaml"))]
    written = [one for one, _ in read if one is not None and one[0].playbook == playbook.name]
    found = [fault for _, wrong in read for fault in wrong] + list(_wrong(written, playbook, directory))
    if found:
        raise faults.spec_error(found)
    added = [(model, _phase(model, directory, runner)) for model, _ in written]
    phases: list[Phase[C]] = []
    for phase in playbook.phases:
        phases += [own for model, own in added if model.before == phase.name]
        phases.append(phase)
        # What comes after a background phase has to wait for its end, not only for its start.
        needs = (phase.name,) if phase.background else ()
        phases += [replace(own, needs=needs) for model, own in added if model.after == phase.name]
    return replace(playbook, phases=tuple(phases))


def _phase(model: UserStepModel, directory: Path, runner: ScriptRunner[C]) -> Phase[C]:
    script = Script(name=model.script, text=(directory / model.script).read_text(encoding="utf-8"))
    title = model.title or f"Run {model.script}"
    step = NamedStep(model.name, UserStep(title, script, runner, model.always))
    return Phase(name=model.name, title=title, on=model.on, strategy=model.strategy, guards=(), steps=(step,))


def _wrong(
    written: Sequence[tuple[UserStepModel, source.Document]], playbook: Playbook[C], directory: Path
) -> Iterable[source.Fault]:
    known = {phase.name for phase in playbook.phases}
    taken = set(known)
    for model, document in written:
        place = str(model.before or model.after)
        if place not in known:
            guess = faults.did_you_mean(place, known)
            yield document.fault(("before" if model.before else "after",), f"no phase has this name{guess}")
        if model.name in taken:
            yield document.fault(("name",), "a phase or another step has this name")
        if not (directory / model.script).is_file():
            yield document.fault(("script",), f"there is no such file in {directory}")
        taken.add(model.name)

"""Playbooks: plans written as data, read from YAML and tied to the steps and guards they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from installer.engine.plan import Target
from installer.engine.registry import Guard, GuardRegistry, Step, StepRegistry
from installer.spec import faults, source
from installer.spec.base import Role

C = TypeVar("C")

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


class Model(BaseModel):
    """Frozen, refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]


class RoleSelector(Model):
    """All hosts of one role."""

    role: Role


class HostSelector(Model):
    """Hosts by name."""

    hosts: tuple[str, ...] = Field(min_length=1)


# `leaving`: hosts that are provided still, and that the specification no longer has.
Selector = Literal["platform", "regions", "hosts", "leaving", "clusters"] | RoleSelector | HostSelector


class Batches(Model):
    """Some targets at a time: a number, or a share of all of them such as "10%"."""

    batches: Annotated[int, Field(ge=1)] | Annotated[str, StringConstraints(pattern=r"^([1-9]\d?|100)%$")]


Strategy = Literal["serial", "parallel"] | Batches
# As many at a time as whoever loads the playbook says.
MAX_UNAVAILABLE: Final = "max-unavailable"


class PhaseModel(Model):
    """One phase as it is written."""

    name: Word
    title: str
    on: Selector
    strategy: Strategy | Literal["max-unavailable"] = "parallel"
    guards: tuple[Word, ...] = ()
    steps: tuple[Word, ...] = Field(min_length=1)
    background: bool = False
    needs: tuple[Word, ...] = ()


class PlaybookModel(Model):
    """A playbook file."""

    name: Word
    title: str
    phases: tuple[PhaseModel, ...] = Field(min_length=1)


class Selects(Protocol):
    """What every workflow's context can do: say which targets a selector means now."""

    def targets(self, selector: Selector, /) -> Sequence[Target]: ...


S = TypeVar("S", bound=Selects)


@dataclass(frozen=True)
class NamedStep(Generic[C]):
    """A step by the name it has in its playbook."""

    name: str
    step: Step[C]


@dataclass(frozen=True, kw_only=True)
class Phase(Generic[C]):
    """A phase with its steps and guards found.

    `background`: later phases start beside it, but for those that name it in `needs`.
    """

    name: str
    title: str
    on: Selector
    strategy: Strategy
    guards: tuple[Guard[C], ...]
    steps: tuple[NamedStep[C], ...]
    background: bool = False
    needs: tuple[str, ...] = ()
    tolerates: int = 0  # targets that may fail before no more are begun
    first_alone: bool = False  # before any batch

    @property
    def strategy_text(self) -> str:
        """The strategy and the guards in words."""
        text = {"serial": "serial, one at a time", "parallel": "parallel"}.get(str(self.strategy))
        if isinstance(self.strategy, Batches):
            text = f"batches of {self.strategy.batches}"
        names = [f"guard: {guard.name}" for guard in self.guards]
        return ", ".join([str(text), *names, *(["in the background"] if self.background else [])])


@dataclass(frozen=True, kw_only=True)
class Playbook(Generic[C]):
    """Phases in order."""

    name: str
    title: str
    phases: tuple[Phase[C], ...]


def load(
    path: Path, *, steps: StepRegistry[C], guards: GuardRegistry[C], max_unavailable: int | str = 1
) -> Playbook[C]:
    """The playbook in `path`; raises SpecError with file and line of everything in it that is wrong or unknown."""
    written, found = faults.read_one(PlaybookModel, path)
    if written is None:
        raise faults.spec_error(found)
    model, document = written
    if found := tuple(_unknown(document, model, steps.names, guards.names)):
        raise faults.spec_error(found)
    phases = tuple(_phase(phase, steps, guards, Batches(batches=max_unavailable)) for phase in model.phases)
    return Playbook(name=model.name, title=model.title, phases=phases)


def shipped(
    name: str, *, steps: StepRegistry[C], guards: GuardRegistry[C], max_unavailable: int | str = 1
) -> Playbook[C]:
    """The playbook `name` that comes with Moorage."""
    return load(PLAYBOOKS / f"{name}.yaml", steps=steps, guards=guards, max_unavailable=max_unavailable)


def _phase(model: PhaseModel, steps: StepRegistry[C], guards: GuardRegistry[C], some: Batches) -> Phase[C]:
    return Phase(
        name=model.name,
        title=model.title,
        on=model.on,
        strategy=some if model.strategy == MAX_UNAVAILABLE else model.strategy,
        guards=tuple(guards[name] for name in model.guards),
        steps=tuple(NamedStep(name, steps[name]) for name in model.steps),
        background=model.background,
        needs=model.needs,
    )


def _unknown(
    document: source.Document, model: PlaybookModel, steps: frozenset[str], guards: frozenset[str]
) -> Iterable[source.Fault]:
    earlier: set[str] = set()
    for index, phase in enumerate(model.phases):
        at: source.Loc = ("phases", index)
        if phase.name in earlier:
            yield document.fault((*at, "name"), "a phase of this name stands above")
        for key, names, known in (
            ("steps", phase.steps, steps),
            ("guards", phase.guards, guards),
            ("needs", phase.needs, earlier),
        ):
            for position, name in enumerate(names):
                if name not in known:
                    what = "no earlier phase" if key == "needs" else f"no {key[:-1]}"
                    message = f"{what} has the name {name}{faults.did_you_mean(name, known)}"
                    yield document.fault((*at, key, position), message)
        earlier.add(phase.name)

"""Steps and guards by the names that playbooks use."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from installer.engine.events import StepReport
from installer.engine.plan import Change, Target

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)


class Step(Protocol[C_contra]):
    """A kind of work on one target; `C` is the workflow's own context. A second plan after a run is empty."""

    @property
    def title(self) -> str: ...

    def plan(self, ctx: C_contra, target: Target, /) -> Sequence[Change]:
        """What is to be done; only reads. Empty: nothing. Also answers while facts are not known yet."""
        ...

    def run(self, ctx: C_contra, target: Target, report: StepReport, /) -> None:
        """Do it, or raise InstallerError; must go on from wherever an earlier run was killed."""
        ...


@runtime_checkable
class Verifies(Protocol[C_contra]):
    """A step that looks afterwards whether what it did holds, and raises InstallerError if not."""

    def verify(self, ctx: C_contra, target: Target, report: StepReport, /) -> None: ...


@runtime_checkable
class Undoes(Protocol[C_contra]):
    """A step that puts its target back when running or verifying it failed."""

    def undo(self, ctx: C_contra, target: Target, report: StepReport, /) -> None: ...


Check = Callable[[C, Target], str | None]


@dataclass(frozen=True, kw_only=True)
class Guard(Generic[C]):
    """A condition for the start of a step: `check` gives None when it holds, or the reason why not."""

    name: str
    check: Check[C]
    timeout_s: float
    streak: int
    hint: str


class StepRegistry(Generic[C]):
    """The steps that a workflow offers to playbooks."""

    def __init__(self) -> None:
        self._steps: dict[str, Step[C]] = {}

    def step(self, name: str) -> Callable[[Callable[[], Step[C]]], Callable[[], Step[C]]]:
        """Decorate a step class: one instance of it serves under `name`."""

        def register(cls: Callable[[], Step[C]]) -> Callable[[], Step[C]]:
            _must_be_new(name, self._steps)
            self._steps[name] = cls()
            return cls

        return register

    def __getitem__(self, name: str) -> Step[C]:
        return self._steps[name]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._steps)


class GuardRegistry(Generic[C]):
    """The guards that a workflow offers to playbooks."""

    def __init__(self) -> None:
        self._guards: dict[str, Guard[C]] = {}

    def guard(
        self, name: str, *, timeout_s: float = 300, streak: int = 1, hint: str = ""
    ) -> Callable[[Check[C]], Check[C]]:
        """Decorate a check of type `Check`; it must hold `streak` times in a row within `timeout_s`."""

        def register(check: Check[C]) -> Check[C]:
            _must_be_new(name, self._guards)
            self._guards[name] = Guard(name=name, check=check, timeout_s=timeout_s, streak=streak, hint=hint)
            return check

        return register

    def __getitem__(self, name: str) -> Guard[C]:
        return self._guards[name]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._guards)


def _must_be_new(name: str, taken: Container[str]) -> None:
    if name in taken:
        raise ValueError(f"{name!r} is registered twice")

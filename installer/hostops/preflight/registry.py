"""Preflight checks: named, each with a severity, what was seen, what was wanted and the command that repairs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from installer.core.errors import InstallerError
from installer.hostops.facts import HostFacts
from installer.hostops.peers import Reached


class Severity(StrEnum):
    """What a finding does to a run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One host as the checks see it."""

    name: str
    role: str
    address: str  # among the hosts
    facts: HostFacts | InstallerError  # the error says why nothing is known of it
    region: str = ""
    encrypted: bool = False  # what pods send from here to other hosts is
    peers: Mapping[str, Reached] = field(default_factory=dict)  # name -> how it is reached from here


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `repair` is a command for that host, or what to change."""

    host: str
    seen: str
    wanted: str
    repair: str = ""


T = TypeVar("T")


@dataclass(frozen=True)
class Registered(Generic[T]):
    """A check of a subject, with its name and what it weighs."""

    name: str
    group: str
    severity: Severity
    ignorable: bool
    check: Callable[[T], Iterable[Finding]]


class Checks(Generic[T]):
    """The checks of one kind of subject, by name, in the order in which they were registered."""

    def __init__(self) -> None:
        self._checks: dict[str, Registered[T]] = {}

    def check(
        self, name: str, *, group: str, severity: Severity = Severity.ERROR, ignorable: bool = True
    ) -> Callable[[Callable[[T], Iterable[Finding]]], Callable[[T], Iterable[Finding]]]:
        """Decorate a function that yields what is wrong; an ignorable one may be turned into a warning by its name."""

        def register(function: Callable[[T], Iterable[Finding]]) -> Callable[[T], Iterable[Finding]]:
            if name in self._checks:
                raise ValueError(f"two checks are called {name}")
            self._checks[name] = Registered(name, group, severity, ignorable, function)
            return function

        return register

    @property
    def registered(self) -> tuple[Registered[T], ...]:
        return tuple(self._checks.values())

    def run(self, subject: T, ignore: frozenset[str]) -> tuple[Result, ...]:
        """All of them."""
        return tuple(
            Result(c.name, c.group, c.severity, c.name in ignore, tuple(c.check(subject))) for c in self.registered
        )


HOSTS: Final[Checks[tuple[Machine, ...]]] = Checks()
check = HOSTS.check


def known(machines: tuple[Machine, ...]) -> Iterable[tuple[Machine, HostFacts]]:
    """The hosts that something is known of."""
    for machine in machines:
        if isinstance(machine.facts, HostFacts):
            yield machine, machine.facts


@dataclass(frozen=True)
class Result:
    """One check's outcome."""

    name: str
    group: str
    severity: Severity
    ignored: bool
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        return bool(self.findings) and self.severity is Severity.ERROR and not self.ignored


@dataclass(frozen=True)
class Report:
    """Every check's outcome. `round_trips`: between two regions, the shortest of those tried, milliseconds."""

    results: tuple[Result, ...]
    round_trips: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(result.failed for result in self.results)

    def to_json(self) -> dict[str, Any]:
        return {
            "failed": self.failed,
            "roundTripsMs": [{"regions": pair, "ms": round(ms, 1)} for pair, ms in self.round_trips.items()],
            "checks": [
                {
                    "name": r.name,
                    "group": r.group,
                    "severity": str(r.severity),
                    "ignored": r.ignored,
                    "findings": [vars(finding) for finding in r.findings],
                }
                for r in self.results
            ],
        }


def require_ignorable(ignore: frozenset[str], checks: Iterable[Registered[Any]]) -> None:
    """Raise ValueError for a name in `ignore` that is no check, or not ignorable."""
    known_checks = {check.name: check for check in checks}
    for name in sorted(ignore):
        if name not in known_checks:
            raise ValueError(f"there is no preflight check {name}; there are: {', '.join(sorted(known_checks))}")
        if not known_checks[name].ignorable:
            raise ValueError(f"the preflight check {name} cannot be ignored")

"""The order in which a host that serves is changed: what others depend on first, and seen to run before more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from installer.hostops.diff import Act, HostChange

# https://kubernetes.io/releases/version-skew-policy/#supported-component-upgrade-order; etcd before all that it serves.
_ORDER: Final = (("etcd",), ("kube-apiserver",), ("kube-controller-manager", "kube-scheduler"))
_STARTS: Final = (Act.START, Act.RESTART)


@dataclass(frozen=True)
class Stage:
    """What is done at once. `units`: those that are started by it; `later`: changes that wait for another stage."""

    now: tuple[HostChange, ...]
    later: tuple[HostChange, ...]

    @property
    def units(self) -> tuple[str, ...]:
        """Names without a suffix, in order."""
        return tuple(_unit(change) for change in self.now if change.act in _STARTS)


def first(todo: Sequence[HostChange]) -> Stage:
    """The first stage of `todo`: files, links and settings with the units of the first group that has any to start."""
    starting = {_unit(change) for change in todo if change.act in _STARTS}
    group = next((names for names in _ORDER if starting.intersection(names)), None)
    if group is None:
        return Stage(tuple(todo), ())
    later = tuple(change for change in todo if change.act in _STARTS and _unit(change) not in group)
    return Stage(tuple(change for change in todo if change not in later), later)


def unit_name(unit: str) -> str:
    """A unit's name as people say it."""
    return unit.removesuffix(".service")


def _unit(change: HostChange) -> str:
    return unit_name(change.subject)

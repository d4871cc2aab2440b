"""The difference between what is wanted of a host and what was seen: a pure decision."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from installer.core import layout
from installer.hostops.facts import HostFacts
from installer.hostops.state import File, HostState, Unit

_ROOT = "0:0"


class Act(StrEnum):
    """What a change does; `apply` knows how."""

    MAKE_DIRECTORY = "make-directory"
    LOAD_MODULE = "load-module"
    SET = "set"
    WRITE = "write"
    LINK = "link"
    STOP = "stop"
    REMOVE = "remove"
    START = "start"
    RESTART = "restart"
    ENABLE = "enable"


@dataclass(frozen=True)
class HostChange:
    """One thing to do on a host. `why` tells what is different; neither holds a secret."""

    act: Act
    subject: str  # path, unit, module or setting
    why: str = ""

    def __str__(self) -> str:
        return f"{self.act} {self.subject}" + (f": {self.why}" if self.why else "")


def changes(wanted: HostState, seen: HostFacts) -> tuple[HostChange, ...]:
    """What to do, in order: what is no longer wanted goes first, units come last. Empty: nothing to do."""
    return (
        *_removals(wanted, seen),
        *_directories(wanted, seen),
        *_kernel(wanted, seen),
        *_files(wanted, seen),
        *_links(wanted, seen),
        *_units(wanted, seen),
    )


def started_on(unit: Unit, wanted: HostState, seen: HostFacts) -> str:
    """A digest of everything `unit` must be started again for, once `wanted` holds."""
    return _Triggers(wanted, seen).digest(unit)


def _removals(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    units = {unit.name for unit in wanted.units}
    for name in sorted(set(seen.manifest.units) - units):
        yield HostChange(Act.STOP, name, "no longer wanted")
    paths = set(wanted.paths)
    for path in sorted({*seen.manifest.files, *seen.manifest.links} - paths):
        yield HostChange(Act.REMOVE, path, "no longer wanted")


def _directories(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    for directory in wanted.directories:
        found = seen.directories.get(directory.path)
        if found is None:
            yield HostChange(Act.MAKE_DIRECTORY, directory.path)
        elif found != (directory.mode, _ROOT):
            yield HostChange(Act.MAKE_DIRECTORY, directory.path, f"mode {found[0]:o} of {found[1]}")


def _kernel(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    for module in wanted.modules:
        if module.name not in seen.modules:
            yield HostChange(Act.LOAD_MODULE, module.name)
    for setting in wanted.sysctls:
        if seen.sysctls.get(setting.key) != setting.value:
            yield HostChange(Act.SET, setting.key, f"to {setting.value}")


def _files(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    for file in wanted.files:
        found = seen.files.get(file.path)
        if found is None:
            if file.content is not None:
                yield HostChange(Act.WRITE, file.path, "missing")
        elif file.sha256 and found.sha256 != file.sha256:
            known = seen.manifest.files.get(file.path)
            by_hand = known is not None and known != found.sha256
            yield HostChange(Act.WRITE, file.path, "was changed by hand" if by_hand else "other content")
        elif (found.mode, found.owner) != (file.mode, _ROOT):
            yield HostChange(Act.WRITE, file.path, f"mode {found.mode:o} of {found.owner}")


def _links(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    for link in wanted.links:
        found = seen.links.get(link.path)
        if found != link.target:
            yield HostChange(Act.LINK, link.path, f"to {link.target}")


def _units(wanted: HostState, seen: HostFacts) -> Iterator[HostChange]:
    triggers = _Triggers(wanted, seen)
    for unit in wanted.units:
        found = seen.units.get(unit.name)
        if found is None or found.active not in ("active", "activating", "reloading"):
            state = found.active if found else "unknown"
            yield HostChange(Act.START, unit.name, "" if state in ("inactive", "unknown") else f"is {state}")
        elif seen.manifest.units.get(unit.name) != triggers.digest(unit) or triggers.changed(unit):
            yield HostChange(Act.RESTART, unit.name, ", ".join(triggers.reasons(unit)))
        elif found.enabled != "enabled":
            yield HostChange(Act.ENABLE, unit.name)


class _Triggers:
    """What units are started again for."""

    def __init__(self, wanted: HostState, seen: HostFacts) -> None:
        self._seen = seen
        self._after = _versions_after(wanted, seen)

    def digest(self, unit: Unit) -> str:
        lines = (f"{path} {self._after.get(path, '')}" for path in sorted(unit.restart_on))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def reasons(self, unit: Unit) -> list[str]:
        """The paths that differ now, or that an earlier run changed without coming to the restart."""
        changed = [f"{path.rsplit('/', 1)[-1]} changes" for path in self.changed(unit)]
        return changed or ["was not started since its files changed"]

    def changed(self, unit: Unit) -> list[str]:
        """The paths that differ now: who changed one by hand may have started the unit on it since."""
        now = {**{path: f.sha256 for path, f in self._seen.files.items()}, **self._seen.links}
        return [path for path in unit.restart_on if now.get(path) != self._after.get(path)]


def _versions_after(wanted: HostState, seen: HostFacts) -> Mapping[str, str]:
    def after(file: File) -> str:
        found = seen.files.get(file.path)
        return file.sha256 or (found.sha256 if found else "")

    return {**{file.path: after(file) for file in wanted.files}, **{link.path: link.target for link in wanted.links}}


def unit_path(name: str) -> str:
    """Where the unit file of `name` lies."""
    return f"{layout.UNITS}/{name}"

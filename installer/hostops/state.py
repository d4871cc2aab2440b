"""The wanted state of a host: directories, kernel modules and settings, files, links, units."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TypeVar

from installer.core.secret import Secret

T = TypeVar("T")


@dataclass(frozen=True)
class Directory:
    """A directory of root's with exactly this mode."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True)
class File:
    """A file of root's; `content` None: it stays as it is, whatever is in it."""

    path: str
    content: str | Secret | None = field(repr=False)
    mode: int = 0o644

    @property
    def data(self) -> bytes:
        """The bytes to be written."""
        text = self.content.reveal() if isinstance(self.content, Secret) else self.content or ""
        return text.encode()

    @property
    def sha256(self) -> str:
        """The digest of what is wanted; empty when anything will do."""
        return "" if self.content is None else hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Link:
    """A symbolic link, switched by one rename."""

    path: str
    target: str


@dataclass(frozen=True)
class Module:
    """A kernel module, loaded now; a file in /etc/modules-load.d keeps it so."""

    name: str


@dataclass(frozen=True)
class Sysctl:
    """A kernel setting, set now; a file in /etc/sysctl.d keeps it so."""

    key: str
    value: str


@dataclass(frozen=True)
class Unit:
    """A systemd unit, enabled and running, that was started after the last change of `restart_on` (files and links)."""

    name: str
    restart_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HostState:
    """All that must hold on one host. Two entries for one thing are refused."""

    directories: tuple[Directory, ...] = ()
    modules: tuple[Module, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    files: tuple[File, ...] = ()
    links: tuple[Link, ...] = ()
    units: tuple[Unit, ...] = ()
    cluster: str = ""  # that it makes the host a node of; empty: the manager

    def __post_init__(self) -> None:
        _no_twins("path", self.paths)
        _no_twins("setting", [s.key for s in self.sysctls])
        _no_twins("unit", [u.name for u in self.units])

    def __or__(self, other: HostState) -> HostState:
        return HostState(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def paths(self) -> tuple[str, ...]:
        """All directories, files and links."""
        return tuple(entry.path for group in (self.directories, self.files, self.links) for entry in group)


def _no_twins(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two entries for the {what} {name}")
        seen.add(name)

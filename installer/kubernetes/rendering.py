"""What rendering yields, for a host and a pod alike: processes, the files they read, the certificates they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from installer.core.secret import Secret
from installer.kubernetes.pki import Subject

Authority = Literal["kubernetes", "etcd", "front-proxy"]


@dataclass(frozen=True)
class CertificateRequest:
    """A certificate wanted at `<path>.crt` with its key at `<path>.key`."""

    authority: Authority
    subject: Subject


@dataclass(frozen=True, kw_only=True)
class Process:
    """One long-running program; on a host a systemd unit, in a pod a container or a child of its supervisor."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""  # a file of more of it, on hosts only
    description: str = ""
    after: tuple[str, ...] = ()  # started, not necessarily ready
    notifies: bool = False  # tells systemd when it is ready
    once: bool = False  # runs to its end at every boot
    reads: tuple[str, ...] = ()  # files that it reads at start only: it must restart when they change
    delegates_cgroups: bool = False  # its children are not its own to kill
    stops_within_s: int = 20  # then it is killed


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Everything one part (etcd, control plane, node) is made of; paths are absolute and equal on hosts and in pods."""

    processes: tuple[Process, ...]
    files: Mapping[str, str | Secret]
    certificates: Mapping[str, CertificateRequest]
    directories: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()  # of the kernel, besides those that every node needs

    def __or__(self, other: Rendered) -> Rendered:
        return Rendered(
            processes=self.processes + other.processes,
            files={**self.files, **other.files},
            certificates={**self.certificates, **other.certificates},
            directories=self.directories + other.directories,
            modules=self.modules + other.modules,
        )


def flags(options: Mapping[str, str | int | bool | None], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """`--name=value` for each option that is not None, sorted by name so that generated text is stable."""
    return (*(f"--{name}={_text(value)}" for name, value in sorted(options.items()) if value is not None), *extra)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

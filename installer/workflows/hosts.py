"""Hosts as they were provided and as they are."""

from __future__ import annotations

from dataclasses import dataclass

from installer.core.errors import InstallerError
from installer.transport.fleet import fan_out
from installer.workflows.session import Session


@dataclass(frozen=True, kw_only=True)
class HostInfo:
    """One host."""

    name: str
    role: str
    region: str
    zone: str
    address: str
    os: str
    arch: str
    release: str  # digest of the bundle it runs, shortened; empty: none
    problem: str  # why it cannot be reached; empty: it can
    cluster: str = ""  # the one that it is a node of, as a whole; empty: the manager, or none


def list_(session: Session) -> tuple[HostInfo, ...]:
    """All hosts, those that cannot be reached included."""
    names = tuple(session.hosts)
    seen = fan_out(names, session.facts)
    found = []
    for name in names:
        host, facts = session.hosts[name], seen[name]
        problem = str(facts.what) if isinstance(facts, InstallerError) else ""
        running = "" if isinstance(facts, InstallerError) else facts.current_release
        found.append(
            HostInfo(
                name=name,
                role=host.role,
                region=host.region,
                zone=host.zone,
                address=host.address,
                os="" if isinstance(facts, InstallerError) else facts.os_name,
                arch=host.arch,
                release=running[:12],
                problem=problem,
                cluster="" if isinstance(facts, InstallerError) else facts.manifest.cluster,
            )
        )
    return tuple(found)

"""What is to be done on a host, for people."""

from __future__ import annotations

from collections.abc import Sequence

from installer.hostops import diff
from installer.hostops.diff import Act, HostChange
from installer.hostops.stages import unit_name
from installer.spec.hosts import wanted_hosts
from installer.workflows.session import Session

_DELETES = (Act.STOP, Act.REMOVE)


def todo(session: Session, name: str) -> tuple[HostChange, ...]:
    """From what a host is to what it is to be."""
    return diff.changes(session.wanted(name), session.facts(name))


def serves(session: Session, name: str) -> bool:
    """Whether a provided host has taken part in the platform already."""
    return name in session.hosts and session.facts(name).manifest.serves


def is_dedicated(session: Session, name: str) -> bool:
    """Whether a host, provided or not, is no node of the manager."""
    return any(host.name == name and host.role == "dedicated" for host in wanted_hosts(session.platform))


def is_manager(session: Session, name: str) -> bool:
    """Whether a host, provided or not, is to be a manager."""
    return any(host.name == name and host.role == "manager" for host in wanted_hosts(session.platform))


def coming(session: Session) -> tuple[str, ...]:
    """Managers that are to be, and are not provided yet: all others will be told of them."""
    wanted = [host.name for host in wanted_hosts(session.platform) if host.role == "manager"]
    return tuple(name for name in wanted if name not in session.hosts)


def summary(changes: Sequence[HostChange]) -> str:
    """`write 3, restart kubelet`."""
    parts = []
    if written := sum(change.act in (Act.WRITE, Act.LINK, Act.MAKE_DIRECTORY) for change in changes):
        parts.append(f"write {written}")
    if removed := sum(change.act in _DELETES for change in changes):
        parts.append(f"remove {removed}")
    for act in (Act.START, Act.RESTART):
        if names := [unit_name(change.subject) for change in changes if change.act is act]:
            parts.append(f"{act} {', '.join(names)}")
    return "; ".join(parts) or str(changes[0])

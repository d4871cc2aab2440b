"""Changes of a specification that a running platform cannot follow: refused by file, line and path before anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.core.errors import BundleError, InstallerError
from installer.spec import faults, specification
from installer.spec.changes import check_change
from installer.spec.hosts import WantedHost, wanted_hosts
from installer.spec.source import Fault
from installer.spec.specification import Specification
from installer.spec.subject import Finding
from installer.workflows import way
from installer.workflows.session import Session

_RELEASE: Final = ("spec", "release")


def require_allowed(session: Session) -> None:
    """Raise SpecError that lists every field that may not change any more, and every host that may not come or go."""
    if session.provided is None:
        return
    before = specification.load_text(session.provided.specification, directory=session.spec.directory)
    if found := (*check_change(before, session.spec), *_release(session, before), *_hosts(session)):
        raise faults.spec_error(found)


def _release(session: Session, before: Specification) -> Iterator[Fault]:
    """One step at a time, along the way that releases themselves say."""
    if before.platform is None:
        return
    if before.platform.spec.release == session.platform.spec.release:
        return
    try:
        steps = way.steps(session)
    except BundleError as exc:
        yield _fault(session, _RELEASE, f"{exc}: {exc.hint}")
        return
    if len(steps) > 1:
        message = f"is reached by way of {', '.join(steps[:-1])}: `moorage upgrade` walks it"
        yield _fault(session, _RELEASE, message)


def _hosts(session: Session) -> Iterator[Fault]:
    """Where something runs, members and nodes would be lost, or etcd's members would not agree who they are."""
    wanted = {host.name: host for host in wanted_hosts(session.platform)}
    for name, host in session.hosts.items():
        if name not in wanted and _carries(session, name):
            what = (
                f"no longer has {name}, which carries the platform's {'members' if host.role == 'manager' else 'nodes'}"
            )
            yield _fault(session, ("spec", "regions"), f"{what}: put it back; removing hosts is not supported yet")
    new = [host for host in wanted.values() if host.role == "manager" and host.name not in session.hosts]
    if new and any(_carries(session, name) for name in session.managers):
        yield from (_new_manager(session, host) for host in new)


def _new_manager(session: Session, host: WantedHost) -> Fault:
    return _fault(
        session, host.loc, f"{host.name} would join managers that run already, which is not supported yet: take it out"
    )


def _carries(session: Session, name: str) -> bool:
    """Whether Moorage installed anything on a host; one that cannot be asked may carry everything."""
    try:
        return session.facts(name).manifest.serves
    except InstallerError:
        return True


def _fault(session: Session, loc: tuple[str | int, ...], message: str) -> Fault:
    return session.spec.place(Finding(session.platform, loc, message))

"""The state as a thing of its own: taken out as one file, put back, its backup put back, its locks taken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from installer.core.clock import SystemClock
from installer.core.errors import InfrastructureError, LockError
from installer.provision.embedded import locks, store
from installer.provision.embedded.locks import StackLock
from installer.provision.embedded.state import StateFile
from installer.provision.exported import Exported, StackState
from installer.workflows import runs
from installer.workflows.session import Session

_IMPORT: Final = "moorage state import"
_UNLOCK: Final = "moorage state unlock"


@dataclass(frozen=True)
class LockedStack:
    """A lock that lies in the backend, and the stack it is of."""

    kind: str
    stack: str
    holder: str
    lock: StackLock = field(repr=False)


def export(session: Session) -> Exported:
    """The state of all stacks; raises InfrastructureError when there is none."""
    found = _states(session)
    if not found:
        raise InfrastructureError(
            f"platform {session.platform.name} does not exist yet",
            cause=f"there is no state of it in {session.state.url}",
            hint="name another state with --state",
        )
    for stack in found:
        stack.require_sealed()
    return Exported(session.platform.name, found)


def import_(session: Session, given: Exported, *, over_newer: bool) -> None:
    """Make an exported state the platform's; raises before anything is written. Cut off, it can be repeated.

    `over_newer`: also where what is there was written later, or is of another platform of this name.
    """
    _require_fitting(session, given)
    with runs.locked(session, _IMPORT):
        if not over_newer:
            _require_older(_states(session), given)
        for stack in given.stacks:
            session.infrastructure.stack(stack.kind, stack.name).import_(stack.state)
        session.provide(session.infrastructure.outputs())


def put_backups_back(session: Session) -> tuple[str, ...]:
    """Replace each damaged state by the one before it; returns the names of those stacks."""
    if not store.knows(session.state.url):
        raise InfrastructureError(
            f"the state is in {session.state.url}, whose backups are its own", hint="the store may keep versions of it"
        )
    kept, mended = store.opened(session.state.url), []
    with runs.locked(session, _IMPORT):
        # The one of the root secrets first: it says which others there are.
        for part in (_of_secrets, _all):
            for kind, name in part(session):
                project = f"moorage-{kind}"
                with locks.hold(kept, project, name):
                    if StateFile(kept, project, name).put_backup_back():
                        mended.append(name)
    return tuple(mended)


def locked(session: Session) -> Sequence[LockedStack]:
    """Locks in the backend that nobody takes off any more; raises LockError that names a holder who lives.

    A holder elsewhere that renews its lock is given time to show it. Of the pulumi CLI's nobody can tell.
    """
    if not store.knows(session.state.url):
        return ()
    kept = store.opened(session.state.url)
    found = [
        LockedStack(kind, name, str(lock), lock)
        for kind, name in _all(session)
        for lock in locks.found(kept, f"moorage-{kind}", name)
    ]
    for one in found:
        here = one.lock.here
        if (here and one.lock.alive) or (not here and one.lock.renewed and locks.lives(kept, one.lock, SystemClock())):
            hint = "wait for it to end, or end it" if here else "wait for it to end"
            raise LockError(f"stack {one.stack} is being changed by {one.holder}", hint=f"{hint}, then repeat")
    return found


def unlock(session: Session) -> None:
    """Take off all locks that lie in the backend; raises LockError while a run of ours lives, on whichever machine."""
    with runs.locked(session, _UNLOCK):
        locked(session)
        for kind, name in _all(session):
            session.infrastructure.stack(kind, name).cancel()


def _all(session: Session) -> Sequence[tuple[str, str]]:
    return session.infrastructure.stacks()


def _of_secrets(session: Session) -> Sequence[tuple[str, str]]:
    return (("platform", session.platform.name),)


def _states(session: Session) -> tuple[StackState, ...]:
    found = ((kind, name, session.infrastructure.stack(kind, name).export()) for kind, name in _all(session))
    return tuple(StackState(kind, name, state) for kind, name, state in found if state is not None)


def _require_fitting(session: Session, given: Exported) -> None:
    if given.platform != session.platform.name:
        raise InfrastructureError(
            f"the file has the state of platform {given.platform}, not of {session.platform.name}",
            hint="name its specification with -f",
        )
    for stack in given.stacks:
        stack.require_opened_by(session.infrastructure.passphrase)
        stack.require_sealed()


def _require_older(there: Sequence[StackState], given: Exported) -> None:
    """Raise InfrastructureError where something would be lost."""
    hint = "`moorage state export` keeps what is there; then repeat with --over-newer"
    given_by_name = {(stack.kind, stack.name): stack for stack in given.stacks}
    for stack in there:
        other = given_by_name.get((stack.kind, stack.name))
        if other is None:
            raise InfrastructureError(f"the file is older: it has no stack {stack.name}, which there is", hint=hint)
        if other.lineage != stack.lineage:
            raise InfrastructureError(
                f"the file's stack {stack.name} is of another platform of this name, or encrypted anew", hint=hint
            )
        if other.time < stack.time:
            raise InfrastructureError(
                f"the file is older: its stack {stack.name} is of {other.time:%Y-%m-%d %H:%M:%S}, "
                f"that which is there of {stack.time:%Y-%m-%d %H:%M:%S}",
                hint=hint,
            )

"""A playbook run under the platform's lock, journalled, telling what an earlier run left unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from installer.engine import lock, runner
from installer.engine.events import Note
from installer.engine.journal import Journal, last_run
from installer.engine.playbook import Playbook
from installer.engine.runner import RunResult
from installer.workflows.session import Session


@contextmanager
def locked(session: Session, command: str) -> Iterator[None]:
    """Hold the platform's lock; raises LockError that names who has it."""
    folder = session.state.of(session.platform.name)
    with lock.hold(folder / "lock", command=command) as vanished:
        if vanished:
            session.reporter.report(Note(f"the lock of {vanished} is recovered: that process is gone"))
        before = last_run(folder / "journal")
        if before and before.begun:
            cut_off = ", ".join(map(str, before.begun))
            session.reporter.report(
                Note(f"an earlier `{before.command}` was cut off in {cut_off}; going on from there")
            )
        yield


def run(session: Session, playbook: Playbook[Session], command: str) -> RunResult:
    """Run `playbook`; the caller holds the lock."""
    journal = Journal(session.state.of(session.platform.name) / "journal", command=command)
    return runner.run(playbook, session, reporter=session.reporter, journal=journal)

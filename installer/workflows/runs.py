"""A playbook run under the platform's lock, journalled, telling what an earlier run left unfinished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from installer.engine import lock, runner
from installer.engine.events import Note
from installer.engine.failures import InterruptedRunError
from installer.engine.journal import Journal, Run, last_run
from installer.engine.pause import Pause
from installer.engine.plan import StepId
from installer.engine.playbook import Playbook, Selects
from installer.engine.runner import RunResult
from installer.workflows.claim import Claim, held_by
from installer.workflows.session import ADMIN, Session

C = TypeVar("C", bound=Selects)
_CHECKS: Final = "check-hosts"


@contextmanager
def locked(session: Session, command: str) -> Iterator[None]:
    """Hold the platform's lock; raises LockError that names who has it, or who paused the platform."""
    with lock.hold(_folder(session) / "lock", command=command) as held:
        pause(session).require_off()
        if held.vanished:
            _tell(session, f"the lock of {held.vanished} is recovered: that process is gone")
        with _claimed(session, held):
            before = last(session)
            if before and before.begun:
                cut_off = ", ".join(map(str, before.begun))
                _tell(session, f"an earlier `{before.command}` was cut off in {cut_off}; going on from there")
            yield


@contextmanager
def _claimed(session: Session, held: lock.Held) -> Iterator[None]:
    """Hold the platform against runs on other machines, too."""
    session.claim = Claim(str(held.holder), lambda: session.api_as(ADMIN))
    session.claim.begin(heir_of=str(held.vanished or ""), tell=lambda text: _tell(session, text))
    session.claim.keep()
    try:
        yield
    finally:
        # Where the platform is destroyed, so is its API.
        session.claim.end(release=session.provided is not None)


def _tell(session: Session, text: str) -> None:
    session.reporter.report(Note(text))


def run(
    session: Session, playbook: Playbook[C], command: str, context: C, *, arguments: Mapping[str, Any] | None = None
) -> RunResult:
    """Run `playbook` in its context; the caller holds the lock. `arguments`: see Journal."""
    journal = Journal(_folder(session) / "journal", command=command, arguments=arguments)
    held, claim = pause(session), session.claim

    def stops() -> bool:
        return held.on or bool(claim and claim.lost_to)

    try:
        return runner.run(playbook, context, reporter=session.reporter, journal=journal, paused=stops)
    except InterruptedRunError as exc:
        if claim and claim.lost_to:
            raise held_by(claim.lost_to) from exc
        if held.on:
            exc.hint = "`moorage plan resume` goes on from here"
        raise


def last(session: Session) -> Run | None:
    """The newest run that changed anything, or tried to."""
    return last_run(_folder(session) / "journal")


def half_done(session: Session) -> tuple[StepId, ...]:
    """The steps that the last run was killed in, but for checks, which leave nothing half done.

    While a run is in its checks, that is itself the last one.
    """
    before = last(session)
    return tuple(step for step in before.begun if step.step != _CHECKS) if before else ()


def pause(session: Session) -> Pause:
    """Whether the platform is held still."""
    return Pause(_folder(session) / "pause")


def _folder(session: Session) -> Path:
    return session.state.of(session.platform.name)

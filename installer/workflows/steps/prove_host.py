"""Step prove-host: the first host of a role on a new release runs for a while, and is checked, before others follow."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from installer.core.clock import SystemClock
from installer.core.errors import HostError, SpecError
from installer.engine.events import Note, StepReport
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import RoleSelector
from installer.spec.platform import Canary
from installer.spec.quantity import seconds
from installer.workflows import changing, host_changes, host_drain, proven, releases, runs
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

NAME: Final = "prove-host"
_LOOKS_EVERY_S: Final = 10.0
_HINT: Final = "spec.upgrades.canary.check: a program beside the specification, which may be run (chmod +x)"
_TOLD: Final = 5  # lines of a check that failed


@STEPS.step(NAME)
class ProveHost:
    """Where it does not, it goes back to the release it had, like one that does not come up at all."""

    title = "prove itself"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        canary = session.platform.spec.upgrades.canary
        if canary is None or not host_changes.serves(session, target.name):
            return ()
        role = session.hosts[target.name].role
        names = [one.name for one in session.targets(RoleSelector(role=role)) if one.name in session.hosts]
        others = [name for name in names if name != target.name and host_changes.serves(session, name)]
        first = _is_new(session, target.name) or names[0] == target.name
        if not others or not first or any(_is_new(session, name) for name in others):
            return ()
        if proven.is_noted(session, target.name):
            return ()
        if canary.check and not os.access(_program(session, canary), os.X_OK):
            raise SpecError(f"{canary.check} is not there, or may not be run", hint=_HINT)
        parts = [f"run without fault for {canary.bake}", *([canary.check] if canary.check else [])]
        parts += ["wait for `moorage plan resume`"] if canary.confirm else []
        return (Change(target.name, Action.RUN, f"{', then '.join(parts)}, before others follow"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        canary = session.platform.spec.upgrades.canary or Canary()
        clock = SystemClock()
        until = clock.now() + seconds(canary.bake)
        changing.require_whole(session, target.name, session.bundle, report)
        while (left := until - clock.now()) > 0:
            report.progress(f"{left:.0f} s left")
            clock.sleep(min(_LOOKS_EVERY_S, left))
            changing.require_whole(session, target.name, session.bundle, report)
        if canary.check:
            _check(session, target.name, canary, report)
        proven.note(session, target.name)
        if canary.confirm:
            runs.pause(session).begin()
            report.emit(Note(f"{target.name} has proven itself; others follow once `moorage plan resume` says so"))

    def undo(self, session: Session, target: Target, report: StepReport) -> None:
        session.forget(target.name)
        digest = releases.goes_back_to(session.facts(target.name))
        if not digest:
            report.emit(Note(f"{target.name} stays as it is: it had no other release"))
            return
        if target.name not in session.managers:
            host_drain.empty(session, target.name, report)
        bundle = changing.put_back(session, target.name, digest, report)
        host_drain.end(session, target.name)
        report.emit(Note(f"{target.name} is back on {bundle.release}"))


def _is_new(session: Session, name: str) -> bool:
    return session.facts(name).manifest.release == session.bundle.digest


def _program(session: Session, canary: Canary) -> Path:
    return (session.spec.directory / str(canary.check)).resolve()


def _check(session: Session, name: str, canary: Canary, report: StepReport) -> None:
    """Run the user's own check; raises HostError with its last words, SpecError where it cannot be run."""
    path = _program(session, canary)
    report.progress(f"asking {canary.check}")
    told = {
        "MOORAGE_PLATFORM": session.platform.name,
        "MOORAGE_HOST": name,
        "MOORAGE_ADDRESS": session.hosts[name].address,
        "MOORAGE_RELEASE": session.platform.spec.release,
    }
    try:
        done = subprocess.run(
            [str(path)],
            cwd=path.parent,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as exc:
        raise SpecError(f"{path} cannot be run: {exc.strerror}", hint=_HINT) from exc
    if done.returncode:
        raise HostError(
            f"{canary.check} says that it is not well on {session.platform.spec.release}",
            command=str(canary.check),
            status=done.returncode,
            last_lines=done.stdout.splitlines()[-_TOLD:],
            hint="mend the cause, then `moorage plan retry`",
        )

"""Step change-host: a host that serves becomes what is wanted, part by part; what does not come up is put back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from installer.engine.events import Note, StepReport
from installer.engine.plan import Action, Change, Target
from installer.transport.errors import ConnectionLostError
from installer.workflows import changing, dedicated_hosts, host_changes, host_drain, releases
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("change-host")
class ChangeHost:
    """Done once the host was seen to be whole with its bundle, and that is noted there."""

    title = "change"

    def __init__(self) -> None:
        self._ran: dict[str, str] = {}  # which Kubernetes dedicated hosts had before they were changed

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not host_changes.serves(session, target.name):
            return ()
        dedicated = host_changes.is_dedicated(session, target.name)
        if dedicated and not dedicated_hosts.stays(session, target.name):
            return ()
        seen, todo = session.facts(target.name), host_changes.todo(session, target.name)
        other = seen.manifest.release != session.bundle.digest
        coming = () if dedicated else host_changes.coming(session)
        if not todo and not other and not coming:
            return ()
        parts = []
        if other and seen.manifest.release:
            parts.append(f"{releases.name_of(seen)} -> {session.bundle.release}")
        if coming:  # their addresses are not known yet, but that they will be told
            restart = ": restart kube-apiserver" if target.name in session.managers and not todo else ""
            parts.append(f"learn of {', '.join(coming)}{restart}")
        if todo or not coming:
            parts.append(host_changes.summary(todo) if todo else "see that it is whole")
        return (Change(target.name, Action.UPDATE, "; ".join(parts), tuple(map(str, todo))),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        if host_changes.is_dedicated(session, target.name):
            self._ran[target.name] = dedicated_hosts.runs(session, target.name)
        try:
            changing.bring(session, target.name, session.bundle, report)
        except ConnectionLostError as exc:
            # That says nothing about the release: it goes on from what it finds, if the host is there.
            report.emit(Note(f"{target.name}: {exc.what}; going on through another"))
            session.forget(target.name)
            changing.bring(session, target.name, session.bundle, report)

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        changing.settle(session, target.name, session.bundle)

    def undo(self, session: Session, target: Target, report: StepReport) -> None:
        name, ran = target.name, self._ran.get(target.name, "")
        session.forget(name)
        had = session.facts(name).manifest.release
        if not had or (had == session.bundle.digest and not ran):
            report.emit(Note(f"{name} stays as it is: it had no other release"))
            return
        with session.homes.held(name, ran) if ran else nullcontext():
            bundle = changing.put_back(session, name, had, report)
        host_drain.end(session, name)
        kubelet = f" with Kubernetes {ran}" if ran else ""
        report.emit(Note(f"{name} is back on {bundle.release}{kubelet}"))

"""Step configure-host: files, links and units of one host become what is wanted, in one round trip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from installer.core.errors import GuardError, InstallerError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.hostops import apply, diff
from installer.hostops.diff import Act, HostChange
from installer.transport.connection import Event
from installer.workflows.manager_api import await_api_server
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

_DELETES = (Act.STOP, Act.REMOVE)


@STEPS.step("configure-host")
class ConfigureHost:
    """What is wanted comes from `Session.wanted`, what is there from `Session.facts`."""

    title = "configure"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if target.name not in session.hosts:
            return (Change(target.name, Action.CREATE, "install everything"),)
        todo = _todo(session, target)
        if not todo:
            return ()
        fresh = not session.facts(target.name).manifest.units
        summary = "install everything" if fresh else _summary(todo)
        action = Action.CREATE if fresh else Action.UPDATE
        return (Change(target.name, action, summary, () if fresh else tuple(map(str, todo))),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        def tell(event: Event) -> None:
            report.progress(str(event.get("step", "")))

        serving = target.name in session.managers and session.facts(target.name).manifest.units
        try:
            with _alone(session, target.name) if serving else nullcontext():
                apply.apply(
                    session.connection(target.name),
                    session.wanted(target.name),
                    session.facts(target.name),
                    _todo(session, target),
                    on_event=tell,
                )
                if serving:
                    await_api_server(session, target.name, report)
        except InstallerError as exc:
            exc.hint = exc.hint or "mend the cause and repeat `moorage up`: it goes on from what it finds"
            raise
        finally:
            session.forget(target.name)


@contextmanager
def _alone(session: Session, manager: str) -> Iterator[None]:
    """The next manager is touched once this one has its part in the quorum again; never, when it does not come back."""
    with session.one_manager:
        if session.manager_lost:
            raise GuardError(
                f"not touched: manager {session.manager_lost} did not come back from its change",
                hint=f"mend {session.manager_lost} and repeat `moorage up`: it goes on from what it finds",
            )
        session.manager_lost = manager
        yield
        session.manager_lost = ""


def _todo(session: Session, target: Target) -> tuple[HostChange, ...]:
    return diff.changes(session.wanted(target.name), session.facts(target.name))


def _summary(todo: Sequence[HostChange]) -> str:
    """`write 3, restart kubelet`."""
    parts = []
    if written := sum(change.act in (Act.WRITE, Act.LINK, Act.MAKE_DIRECTORY) for change in todo):
        parts.append(f"write {written}")
    if removed := sum(change.act in _DELETES for change in todo):
        parts.append(f"remove {removed}")
    for act in (Act.START, Act.RESTART):
        if names := [change.subject.removesuffix(".service") for change in todo if change.act is act]:
            parts.append(f"{act} {', '.join(names)}")
    return "; ".join(parts) or str(todo[0])

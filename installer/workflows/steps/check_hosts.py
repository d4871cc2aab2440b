"""Step check-hosts: every preflight check passes before anything on any host is changed."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import PreflightError
from installer.engine.events import Note, StepReport
from installer.engine.plan import Action, Change, Target
from installer.hostops.preflight import Report, Severity
from installer.workflows import preflight
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("check-hosts")
class CheckHosts:
    """Only where a host is about to get its first files: later runs meet hosts that work."""

    title = "check"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if session.hosts and all(facts.manifest.serves for facts in session.all_facts().values()):
            return ()
        return (Change(target.name, Action.RUN, "preflight checks on all hosts"),)

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        found = preflight.preflight(session, session.ignore)
        for line in _lines(found, only_failed=False):
            report.emit(Note(line))
        if found.failed:
            raise PreflightError(
                "the hosts do not pass the preflight checks; nothing on them was changed",
                last_lines=_lines(found, only_failed=True),
                hint="mend what is named, or `--ignore CHECK` where that is allowed; `moorage preflight` repeats them",
            )


def _lines(report: Report, *, only_failed: bool) -> tuple[str, ...]:
    """`failed` ones for the error, all others as notes."""
    chosen = [r for r in report.results if r.failed is only_failed]
    return tuple(
        f"{Severity.ERROR if r.failed else Severity.WARNING} {r.name}: {f.host}: {f.seen} (wanted: {f.wanted})"
        + (f"; {f.repair}" if f.repair else "")
        for r in chosen
        for f in r.findings
    )

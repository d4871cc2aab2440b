"""Step check-hosts: every preflight check passes before a host gets its first files, or another release."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from installer.core.errors import PreflightError
from installer.engine.events import Note, StepReport
from installer.engine.plan import Action, Change, Target
from installer.hostops.facts import HostFacts
from installer.hostops.preflight import Report, Severity
from installer.workflows import dedicated_hosts, preflight, releases, runs
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("check-hosts")
class CheckHosts:
    """Only then: other runs meet hosts that work, and are seen to work on as they are changed."""

    title = "check"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        seen = _seen(session)
        if not (seen and all(one.manifest.serves for one in seen)):
            return (Change(target.name, Action.RUN, "preflight checks on all hosts"),)
        if left := _releases_left(session, seen):
            return (Change(target.name, Action.RUN, f"preflight checks of the platform, before {_named(left)}"),)
        return ()

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        # A host that comes need not find a platform that is well: it may be what mends it.
        left = _releases_left(session, _seen(session))
        found = preflight.preflight(session, session.ignore, of_platform=bool(left))
        for line in _lines(found, only_failed=False):
            report.emit(Note(line))
        if found.failed:
            raise PreflightError(
                "the preflight checks do not pass; nothing on any host was changed",
                last_lines=_lines(found, only_failed=True),
                hint="mend what is named, or `--ignore CHECK` where that is allowed; `moorage preflight` repeats them",
            )


def _seen(session: Session) -> list[HostFacts]:
    facts = session.all_facts()
    return [facts[name] for name in dedicated_hosts.in_use(session)]


def _releases_left(session: Session, seen: Collection[HostFacts]) -> set[str]:
    """The releases that hosts run and the specification is not for; none while they are on their way already."""
    left = {releases.name_of(one) for one in seen if one.manifest.release} - {session.target.name}
    return set() if _is_under_way(session, seen) else left


def _is_under_way(session: Session, seen: Collection[HostFacts]) -> bool:
    """Whether an upgrade has begun already: it passed the checks, and what it was cut off in need not pass them again.

    Guards look before each of its steps.
    """
    return bool(runs.half_done(session)) or any(
        releases.is_half(one) or releases.name_of(one) == session.target.name for one in seen
    )


def _named(releases_left: set[str]) -> str:
    return f"{', '.join(sorted(releases_left))} is left"


def _lines(report: Report, *, only_failed: bool) -> tuple[str, ...]:
    """`failed` ones for the error, all others as notes."""
    chosen = [r for r in report.results if r.failed is only_failed]
    return tuple(
        f"{Severity.ERROR if r.failed else Severity.WARNING} {r.name}: {f.host}: {f.seen} (wanted: {f.wanted})"
        + (f"; {f.repair}" if f.repair else "")
        for r in chosen
        for f in r.findings
    )

"""Is anybody else at it, was anybody cut off, and is there something to come back to?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from installer.hostops.preflight import Finding, Severity
from installer.workflows import maintenance
from installer.workflows.checks.seen import PLATFORM, PlatformSeen

_RECENT: Final = timedelta(days=1)


@PLATFORM.check("paused", group="lock", ignorable=False)
def paused(seen: PlatformSeen) -> Iterable[Finding]:
    """Nobody holds the platform still."""
    if seen.paused_by:
        yield Finding("platform", f"paused by {seen.paused_by}", "not paused", "moorage plan resume")


@PLATFORM.check(maintenance.NAME, group="lock")
def window(seen: PlatformSeen) -> Iterable[Finding]:
    """What serves may be changed now, by `spec.upgrades.windows`."""
    if seen.closed:
        yield Finding("platform", seen.closed, "an open window", maintenance.HINT)


@PLATFORM.check("cut-off", group="lock", severity=Severity.WARNING)
def cut_off(seen: PlatformSeen) -> Iterable[Finding]:
    """No earlier run was killed in the middle of a step."""
    if seen.cut_off:
        yield Finding("platform", f"cut off in {', '.join(seen.cut_off)}", "come to an end", "moorage plan retry")


@PLATFORM.check("snapshot", group="etcd", severity=Severity.WARNING)
def snapshot(seen: PlatformSeen) -> Iterable[Finding]:
    """The manager's data was kept within a day; an upgrade keeps it once more before it begins."""
    newest = max(seen.snapshots.values(), default=None)
    if newest is None or seen.now - newest > _RECENT:
        told = "no snapshot" if newest is None else f"the newest snapshot is of {newest:%Y-%m-%d %H:%M} UTC"
        yield Finding("manager", told, "one of the last day", "moorage upgrade takes one")

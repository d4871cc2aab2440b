"""Do certificates outlive the change?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from installer.hostops.preflight import Finding, Severity, known
from installer.kubernetes import pki
from installer.workflows.checks.seen import PLATFORM, PlatformSeen

_SOON: Final = timedelta(days=30)
_AUTHORITY: Final = timedelta(days=180)


def _left(pem: str, seen: PlatformSeen) -> timedelta:
    return pki.ends(pem) - seen.now


def _days(left: timedelta) -> str:
    return "it has ended" if left < timedelta(0) else f"{left.days} days left"


@PLATFORM.check("certificates", group="certificates")
def ended(seen: PlatformSeen) -> Iterable[Finding]:
    """No certificate on a host has ended: who has one cannot speak to the others."""
    for machine, facts in known(seen.machines):
        for path, pem in sorted(facts.certificates.items()):
            if (left := _left(pem, seen)) < timedelta(0):
                yield Finding(machine.name, f"{path}: {_days(left)}", "a valid one", "moorage up")


@PLATFORM.check("certificates-soon", group="certificates", severity=Severity.WARNING)
def soon(seen: PlatformSeen) -> Iterable[Finding]:
    """None ends within a month that ought to be renewed by now; the change does that."""
    for machine, facts in known(seen.machines):
        for path, pem in sorted(facts.certificates.items()):
            if timedelta(0) <= (left := _left(pem, seen)) < _SOON and seen.now >= pki.renewal_time(pem):
                yield Finding(machine.name, f"{path}: {_days(left)}", f"at least {_SOON.days}", "moorage up")


@PLATFORM.check("authorities", group="certificates", severity=Severity.WARNING)
def authorities(seen: PlatformSeen) -> Iterable[Finding]:
    """The manager's authorities last half a year at least."""
    for name, pem in sorted(seen.authorities.items()):
        if (left := _left(pem, seen)) < _AUTHORITY:
            yield Finding(
                "manager", f"authority {name}: {_days(left)}", f"at least {_AUTHORITY.days}", "moorage certs rotate"
            )

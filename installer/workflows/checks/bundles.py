"""Is what is to be brought there, and whole?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from installer.hostops.preflight import Finding, Severity, known
from installer.workflows.checks.seen import PLATFORM, PlatformSeen

_NAMED: Final = 3
_ROOM: Final = 2 * 2**30  # a bundle, less what both releases share, and as much to spare


@PLATFORM.check("bundle", group="bundle", severity=Severity.WARNING)
def here(seen: PlatformSeen) -> Iterable[Finding]:
    """The release's bundle is on this machine: otherwise it is built first, which takes a while."""
    if not seen.digest:
        repair = f"moorage bundle build {seen.target.name}, or moorage bundle import FILE"
        yield Finding("this machine", f"no bundle of {seen.target.name}", "it is there", repair)


@PLATFORM.check("bundle-whole", group="bundle", ignorable=False)
def whole(seen: PlatformSeen) -> Iterable[Finding]:
    """All files of that bundle are there; hosts check every byte of what they get."""
    if seen.bundle_faults:
        named = ", ".join(seen.bundle_faults[:_NAMED])
        repair = f"moorage bundle build {seen.target.name}"
        yield Finding("this machine", f"{len(seen.bundle_faults)} files are missing or cut off: {named}", "all", repair)


@PLATFORM.check("bundle-room", group="disk")
def room(seen: PlatformSeen) -> Iterable[Finding]:
    """Hosts that lack the bundle have room for it beside the one they run."""
    for machine, facts in known(seen.machines):
        disk = facts.disks.get("/opt")
        if seen.digest not in facts.releases and disk and disk.free < _ROOM:
            yield Finding(machine.name, f"{disk.free / 2**30:.1f} GiB free below /opt", f"{_ROOM / 2**30:.0f} GiB")


@PLATFORM.check("copy-room", group="disk")
def copy_room(seen: PlatformSeen) -> Iterable[Finding]:
    """Managers have room for a snapshot and a copy of etcd's data."""
    for machine, facts in known(seen.machines):
        member, disk = seen.members.get(machine.name), facts.disks.get("/var/lib")
        if member and disk and disk.free < 4 * member.size:
            free, wanted = f"{disk.free / 2**20:.0f} MiB free below /var/lib", f"{4 * member.size / 2**20:.0f} MiB"
            yield Finding(machine.name, free, wanted)


@PLATFORM.check("way-back", group="bundle", severity=Severity.WARNING)
def way_back(seen: PlatformSeen) -> Iterable[Finding]:
    """The bundle that a host runs is still on it: it is what a failed change goes back to."""
    for machine, facts in known(seen.machines):
        if facts.manifest.release and facts.manifest.release not in facts.releases:
            yield Finding(machine.name, f"bundle {facts.manifest.release[:12]} is gone", "it is there")

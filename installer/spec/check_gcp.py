"""Cross-checks of regions on Google Cloud: machine types run what we bring, and take the disks that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.spec.gcp import GcpHosts, GcpRegion
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

_HYPER: Final = "hyperdisk-balanced"
# https://cloud.google.com/compute/docs/disks/hyperdisks#machine-type-support and .../persistent-disks; others are not
# checked here: Google refuses what does not fit.
_ONLY_HYPER: Final = frozenset({"n4", "n4d", "c4", "c4d"})
_NO_HYPER: Final = frozenset({"e2", "n1", "n2", "n2d", "c2", "c2d", "t2d"})
_ARM: Final = frozenset({"t2a", "c4a", "n4a"})


def machines(subject: Subject) -> Iterator[Finding]:
    """Machine types run what we bring, and take the disks that are asked for."""
    for group, loc in _groups(subject):
        if subject.platform is None:
            continue
        series, disk = group.machine_type.partition("-")[0], group.disk
        if series in _ARM:
            yield Finding(subject.platform, (*loc, "machineType"), "is of ARM; hosts are x86-64")
        if series in _ONLY_HYPER and disk.type != _HYPER:
            yield Finding(subject.platform, (*loc, "disk"), f"type must be {_HYPER} for machines of type {series}")
        if series in _NO_HYPER and disk.type == _HYPER:
            yield Finding(subject.platform, (*loc, "disk", "type"), f"is not for machines of type {series}")
        if disk.type != _HYPER and disk.iops is not None:
            message = f"is for {_HYPER}; those of other disks come with their size"
            yield Finding(subject.platform, (*loc, "disk", "iops"), message)


def _groups(subject: Subject) -> Iterator[tuple[GcpHosts, Loc]]:
    for number, region in enumerate(subject.platform.spec.regions if subject.platform else ()):
        for index, group in enumerate(region.hosts if isinstance(region, GcpRegion) else ()):
            yield group, ("spec", "regions", number, "hosts", index)

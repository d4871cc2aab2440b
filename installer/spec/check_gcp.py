"""Cross-checks of regions on Google Cloud: machine types run what we bring, and take the disks that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.spec.gcp import GcpDisk, GcpHosts, GcpRegion
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

_HYPER: Final = "hyperdisk-balanced"
# https://cloud.google.com/compute/docs/disks/hyperdisks#machine-type-support and .../persistent-disks; others are not
# checked here: Google refuses what does not fit.
_ONLY_HYPER: Final = frozenset({"n4", "n4d", "c4", "c4d"})
_NO_HYPER: Final = frozenset({"e2", "n1", "n2", "n2d", "c2", "c2d", "t2d"})
_WITH_GPUS: Final = "n1"  # https://cloud.google.com/compute/docs/gpus#n1-gpus
_ARM: Final = frozenset({"t2a", "c4a", "n4a"})


def machines(subject: Subject) -> Iterator[Finding]:
    """Machine types run what we bring, and take the disks that are asked for."""
    for group, loc in _groups(subject):
        if subject.platform is None:
            continue
        series = group.machine_type.partition("-")[0]
        if series in _ARM:
            yield Finding(subject.platform, (*loc, "machineType"), "is of ARM; hosts are x86-64")
        if group.gpu and series != _WITH_GPUS:
            message = f"is for machines of type {_WITH_GPUS}; others come with theirs, or have none"
            yield Finding(subject.platform, (*loc, "gpu"), message)
        disks: list[tuple[GcpDisk, Loc]] = [(group.disk, (*loc, "disk"))]
        disks += [(volume, (*loc, "volumes", number)) for number, volume in enumerate(group.volumes)]
        for disk, at in disks:
            for key, message in _unfit(disk, series):
                yield Finding(subject.platform, (*at, key) if key else at, message)


def _unfit(disk: GcpDisk, series: str) -> Iterator[tuple[str, str]]:
    """What a disk cannot be for machines of a series: the key, and why."""
    if series in _ONLY_HYPER and disk.type != _HYPER:
        yield "", f"type must be {_HYPER} for machines of type {series}"
    if series in _NO_HYPER and disk.type == _HYPER:
        yield "type", f"is not for machines of type {series}"
    if disk.type != _HYPER and disk.iops is not None:
        yield "iops", f"is for {_HYPER}; those of other disks come with their size"


def _groups(subject: Subject) -> Iterator[tuple[GcpHosts, Loc]]:
    for number, region in enumerate(subject.platform.spec.regions if subject.platform else ()):
        for index, group in enumerate(region.hosts if isinstance(region, GcpRegion) else ()):
            yield group, ("spec", "regions", number, "hosts", index)

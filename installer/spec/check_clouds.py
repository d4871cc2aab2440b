"""Cross-checks of regions in any cloud: what managers may not be, and hosts cannot."""

from __future__ import annotations

from collections.abc import Iterator

from installer.spec.cloud import CloudHosts, CloudRegion
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject


def spot(subject: Subject) -> Iterator[Finding]:
    """No manager is a machine that its cloud may take back."""
    for group, loc in _groups(subject):
        if subject.platform and group.spot and group.role == "manager":
            yield Finding(subject.platform, (*loc, "spot"), "is for workers: a manager holds data")


def arch(subject: Subject) -> Iterator[Finding]:
    """Machine images are looked up for amd64 alone."""
    if (platform := subject.platform) and platform.spec.arch != "amd64":
        for region in platform.spec.regions:
            if isinstance(region, CloudRegion):
                message = f"hosts of region {region.name}, in a cloud, are amd64"
                yield Finding(platform, ("spec", "arch"), message)


def _groups(subject: Subject) -> Iterator[tuple[CloudHosts, Loc]]:
    if platform := subject.platform:
        for number, region in enumerate(platform.spec.regions):
            for index, group in enumerate(region.hosts if isinstance(region, CloudRegion) else ()):
                yield group, ("spec", "regions", number, "hosts", index)

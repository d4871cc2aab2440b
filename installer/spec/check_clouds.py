"""Cross-checks of regions in any cloud: what managers may not be."""

from __future__ import annotations

from collections.abc import Iterator

from installer.spec.cloud import CloudRegion
from installer.spec.subject import Finding, Subject


def spot(subject: Subject) -> Iterator[Finding]:
    """No manager is a machine that its cloud may take back."""
    if platform := subject.platform:
        for number, region in enumerate(platform.spec.regions):
            for index, group in enumerate(region.hosts if isinstance(region, CloudRegion) else ()):
                if group.spot and group.role == "manager":
                    loc = ("spec", "regions", number, "hosts", index, "spot")
                    yield Finding(platform, loc, "is for workers: a manager holds data")

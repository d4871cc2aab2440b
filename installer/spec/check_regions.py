"""Cross-checks of where clusters are: in regions that are there, on hosts that can carry what is to be there."""

from __future__ import annotations

from collections.abc import Iterator

from installer.spec.cluster import Cluster
from installer.spec.hosts import carriers, wanted_hosts
from installer.spec.pools import SharedPool
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject


def homes(subject: Subject) -> Iterator[Finding]:
    """The home of a control plane is a region with a manager host: data of clusters lies on those."""
    if platform := subject.platform:
        regions = [region.name for region in platform.spec.regions]
        managers = {host.region for host in wanted_hosts(platform) if host.role == "manager"}
        for cluster in subject.clusters:
            home, at = cluster.spec.control_plane.region, ("spec", "controlPlane", "region")
            if home is not None and home not in regions:
                yield _unknown(cluster, at, regions)
            elif home is not None and home not in managers:
                yield Finding(
                    cluster,
                    at,
                    "has no host with the role manager, which the data would lie on: give it one, or choose one of "
                    f"{', '.join(name for name in regions if name in managers)}",
                )


def pools(subject: Subject) -> Iterator[Finding]:
    """Regions of a pool are the platform's, and have hosts that carry nodes."""
    if platform := subject.platform:
        regions = [region.name for region in platform.spec.regions]
        carrying = {host.region for host in carriers(platform)}
        for cluster in subject.clusters:
            for index, pool in enumerate(cluster.spec.pools):
                for number, name in enumerate(pool.regions if isinstance(pool, SharedPool) else ()):
                    at: Loc = ("spec", "pools", index, "regions", number)
                    if name not in regions:
                        yield _unknown(cluster, at, regions)
                    elif name not in carrying:
                        yield Finding(cluster, at, "has no host that carries nodes: give it one with the role worker")


def _unknown(cluster: Cluster, at: Loc, regions: list[str]) -> Finding:
    return Finding(cluster, at, f"is no region of the platform; it has {', '.join(regions)}")

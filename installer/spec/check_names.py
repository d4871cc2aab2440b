"""Cross-checks of names and addresses: each stands for one thing only, and fits where it is used."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from installer.spec.cluster import Cluster
from installer.spec.gcp import GcpRegion
from installer.spec.hosts import wanted_hosts
from installer.spec.platform import LocalRegion, Platform
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

MAX_HOSTNAME: Final = 63  # a DNS label, Linux' limit but for one, and a label on Google Cloud
RESERVED: Final = ("default", "manager")  # the shared datastore; the manager's own kubeconfig context
RESERVED_PREFIXES: Final = ("kube-", "moorage-")


def region_names(subject: Subject) -> Iterator[Finding]:
    """Two regions do not share a name."""
    if platform := subject.platform:
        places = [(region.name, ("spec", "regions", i, "name")) for i, region in enumerate(platform.spec.regions)]
        yield from _repeated(platform, places, "another region has this name")


def host_names(subject: Subject) -> Iterator[Finding]:
    """Two hosts do not share a name, be it in different regions or in groups that count up to the same one."""
    if platform := subject.platform:
        hosts = wanted_hosts(platform)
        places = [(host.name, (*host.loc, "name")) for host in hosts]
        yield from _repeated(platform, places, "another host has this name, or gets it when its group is counted out")


def host_name_lengths(subject: Subject) -> Iterator[Finding]:
    """A host's name with its platform's before it is still a hostname here, and a label on Google Cloud."""
    if platform := subject.platform:
        both = {region.name for region in platform.spec.regions if isinstance(region, LocalRegion | GcpRegion)}
        longest = {host.loc: host.name for host in wanted_hosts(platform) if host.region in both}
        for loc, name in longest.items():
            if (length := len(f"{platform.name}-{name}")) > MAX_HOSTNAME:
                message = f"is {length} characters long with the platform's name; {MAX_HOSTNAME} are allowed"
                yield Finding(platform, (*loc, "name"), message)


def addresses(subject: Subject) -> Iterator[Finding]:
    """Two hosts are not reached at the same place, neither by SSH nor by each other, and each has an address."""
    if platform := subject.platform:
        given = [host for host in wanted_hosts(platform) if host.address is not None]
        for host in given:
            if host.cluster_address is None:
                message = "is not an IPv4 address; give clusterAddress, too"
                yield Finding(platform, (*host.loc, "address"), message)
        by_ssh = [((host.address, host.port), (*host.loc, "address")) for host in given]
        yield from _repeated(platform, by_ssh, "another host has this address and port")
        by_peers = [(host.cluster_address, (*host.loc, "clusterAddress")) for host in given if host.cluster_address]
        yield from _repeated(platform, by_peers, "another host has this address among the hosts")


def cluster_names(subject: Subject) -> Iterator[Finding]:
    """Two clusters do not share a name, and none takes one that Moorage needs itself."""
    seen: set[str] = set()
    for cluster in subject.clusters:
        if cluster.name in seen:
            yield Finding(cluster, ("metadata", "name"), "another cluster has this name")
        elif cluster.name in RESERVED or cluster.name.startswith(RESERVED_PREFIXES):
            yield Finding(cluster, ("metadata", "name"), "is reserved for Moorage and Kubernetes themselves")
        seen.add(cluster.name)


def pool_names(subject: Subject) -> Iterator[Finding]:
    """Two pools of a cluster do not share a name."""
    for cluster in subject.clusters:
        places = [(pool.name, ("spec", "pools", i, "name")) for i, pool in enumerate(cluster.spec.pools)]
        yield from _repeated(cluster, places, "another pool of this cluster has this name")


def _repeated(document: Platform | Cluster, places: Iterable[tuple[Hashable, Loc]], message: str) -> Iterator[Finding]:
    """A finding for each key that stands somewhere above already; once a place."""
    seen: set[Hashable] = set()
    told: set[Loc] = set()
    for key, loc in places:
        if key in seen and loc not in told:
            told.add(loc)
            yield Finding(document, loc, message)
        seen.add(key)

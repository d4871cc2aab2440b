"""Cross-checks of address ranges: none overlaps another that it must be told apart from, and each is large enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Final

from installer.spec.addresses import Range, parse_range
from installer.spec.cloud import CloudNetwork, CloudRegion
from installer.spec.hosts import wanted_hosts
from installer.spec.platform import LocalRegion, Platform
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

LOCAL_HOSTS: Final = IPv4Network("198.18.0.0/15")  # RFC 2544, for benchmarks: local platforms take theirs from it
NODE_PREFIX: Final = 24  # kube-controller-manager gives each node a /24 of the pods' range
MIN_SERVICES_PREFIX: Final = 28  # cluster DNS has the tenth address of the range
_NETWORK: Final = ("spec", "network")
_MANAGER_NETWORK: Final = ("spec", "manager", "network")


@dataclass(frozen=True)
class _Range:
    what: str
    network: IPv4Network
    loc: Loc


def platform_ranges(subject: Subject) -> Iterator[Finding]:
    """The manager's pods, services and hosts have ranges apart."""
    if platform := subject.platform:
        for one, other in combinations([*_region_ranges(platform), *_platform_ranges(platform)], 2):
            if one.network.overlaps(other.network):
                yield Finding(platform, one.loc, f"overlaps {other.what}")


def cluster_ranges(subject: Subject) -> Iterator[Finding]:
    """A cluster's pods and services have ranges apart from each other, from the manager's and from the hosts'."""
    platform = subject.platform
    outer = [*_platform_ranges(platform), *_region_ranges(platform)] if platform else []
    for cluster in subject.clusters:
        network = cluster.spec.network
        pods = _Range("the cluster's pods", network.pods, (*_NETWORK, "pods"))
        services = _Range("the cluster's services", network.services, (*_NETWORK, "services"))
        for one, other in [(pods, services), *((own, taken) for own in (pods, services) for taken in outer)]:
            if one.network.overlaps(other.network):
                yield Finding(cluster, one.loc, f"overlaps {other.what}")


def load_balancer_addresses(subject: Subject) -> Iterator[Finding]:
    """An address for Services is of one cluster alone, not a host's, and none of the manager's pods or Services."""
    taken: list[tuple[str, Range]] = []
    if platform := subject.platform:
        for name, vip in platform.vips.items():
            taken.append((f"the address that the managers of {name} share", parse_range(vip)))
        network = platform.spec.manager.network
        for what, own in (("the manager's pods", network.pods), ("the manager's services", network.services)):
            taken.append((what, Range(own[0], own[-1])))
        for host in wanted_hosts(platform):
            if host.cluster_address:
                taken.append((f"the address of host {host.name}", Range(host.cluster_address, host.cluster_address)))
    for cluster in subject.clusters:
        ranges = cluster.spec.network.load_balancer.ranges
        for index, one in enumerate(ranges):
            if what := next((what for what, other in taken if one.overlaps(other)), ""):
                yield Finding(cluster, (*_NETWORK, "loadBalancer", "addresses", index), f"overlaps {what}")
        taken += [(f"addresses of cluster {cluster.name}", one) for one in ranges]


def host_addresses(subject: Subject) -> Iterator[Finding]:
    """No host's own address lies in the manager's pods or services."""
    if platform := subject.platform:
        pods, services, *_ = _platform_ranges(platform)
        for host in wanted_hosts(platform):
            for taken in (pods, services):
                if host.cluster_address and host.cluster_address in taken.network:
                    yield Finding(platform, (*host.loc, "address"), f"lies in {taken.what}")


def vips(subject: Subject) -> Iterator[Finding]:
    """An address that managers share is nobody else's, and there are managers to share it."""
    if not (platform := subject.platform):
        return
    hosts, seen = wanted_hosts(platform), set[str]()
    for index, region in enumerate(platform.spec.regions):
        if not (vip := platform.vips.get(region.name)):
            continue
        loc = ("spec", "regions", index, "provider", "vip")
        if not any(host.region == region.name and host.role == "manager" for host in hosts):
            yield Finding(platform, loc, "the region has no managers to share it")
        for host in hosts:
            if vip in (host.address, str(host.cluster_address)):
                yield Finding(platform, loc, f"is the address of host {host.name}")
        for taken in _platform_ranges(platform):
            if IPv4Address(vip) in taken.network:
                yield Finding(platform, loc, f"lies in {taken.what}")
        if vip in seen:
            yield Finding(platform, loc, "the managers of another region share it already")
        seen.add(vip)


def pod_range_sizes(subject: Subject) -> Iterator[Finding]:
    """The pods' range has a piece for every node."""
    if platform := subject.platform:
        pods, nodes = platform.spec.manager.network.pods, len(wanted_hosts(platform))
        if (room := _nodes_in(pods)) < nodes:
            yield Finding(platform, (*_MANAGER_NETWORK, "pods"), _too_small(room, nodes, "hosts"))
    for cluster in subject.clusters:
        nodes = sum(pool.count for pool in cluster.spec.pools)
        if (room := _nodes_in(cluster.spec.network.pods)) < nodes:
            yield Finding(cluster, (*_NETWORK, "pods"), _too_small(room, nodes, "nodes"))


def service_range_sizes(subject: Subject) -> Iterator[Finding]:
    """The services' range reaches as far as the address of cluster DNS."""
    message = f"is too small: at least a /{MIN_SERVICES_PREFIX}"
    if (platform := subject.platform) and platform.spec.manager.network.services.prefixlen > MIN_SERVICES_PREFIX:
        yield Finding(platform, (*_MANAGER_NETWORK, "services"), message)
    for cluster in subject.clusters:
        if cluster.spec.network.services.prefixlen > MIN_SERVICES_PREFIX:
            yield Finding(cluster, (*_NETWORK, "services"), message)


def api_ports(subject: Subject) -> Iterator[Finding]:
    """There is a port on the hosts for the API of each cluster."""
    if platform := subject.platform:
        first, last = platform.spec.manager.network.ports
        if first > last:
            yield Finding(platform, (*_MANAGER_NETWORK, "ports"), "the first port comes after the last")
        elif last - first + 1 < len(subject.clusters):
            message = f"{last - first + 1} ports are too few for {len(subject.clusters)} clusters"
            yield Finding(platform, (*_MANAGER_NETWORK, "ports"), message)


def _platform_ranges(platform: Platform) -> list[_Range]:
    network = platform.spec.manager.network
    ranges = [
        _Range("the manager's pods", network.pods, (*_MANAGER_NETWORK, "pods")),
        _Range("the manager's services", network.services, (*_MANAGER_NETWORK, "services")),
    ]
    if any(isinstance(region, LocalRegion) for region in platform.spec.regions):
        ranges.append(_Range(f"the network of local hosts ({LOCAL_HOSTS})", LOCAL_HOSTS, _MANAGER_NETWORK))
    return ranges


def _region_ranges(platform: Platform) -> Iterator[_Range]:
    """Networks that regions have of their own."""
    for index, region in enumerate(platform.spec.regions):
        if isinstance(region, CloudRegion) and isinstance(region.provider.network, CloudNetwork):
            loc = ("spec", "regions", index, "provider", "network", "cidr")
            yield _Range(f"the network of region {region.name}", region.provider.network.cidr, loc)


def _nodes_in(pods: IPv4Network) -> int:
    return int(2 ** (NODE_PREFIX - pods.prefixlen)) if pods.prefixlen <= NODE_PREFIX else 0


def _too_small(room: int, wanted: int, what: str) -> str:
    return f"has room for {room} {what} (a /{NODE_PREFIX} each), {wanted} are asked for"

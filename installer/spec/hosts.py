"""The hosts that a platform asks for, one by one: groups counted out, defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import assert_never, get_args

from installer.spec.base import Labels, Role
from installer.spec.cloud import CloudHosts, CloudRegion
from installer.spec.platform import LocalHosts, LocalRegion, OnPremHost, OnPremRegion, Platform, Region
from installer.spec.source import Loc


@dataclass(frozen=True, kw_only=True)
class WantedHost:
    """One host before it is provided. `loc` is where it is written, in the platform's document."""

    name: str
    role: Role
    region: str
    zone: str
    loc: Loc
    labels: Labels = field(default_factory=dict)
    cpu: str | None = None  # limits; None: all of its machine
    memory: str | None = None
    address: str | None = None  # where SSH reaches it; None: known once it is provided
    port: int = 22
    cluster_address: IPv4Address | None = None  # its address among the hosts; None: known once it is provided


def wanted_hosts(platform: Platform) -> tuple[WantedHost, ...]:
    """All hosts of all regions, in the order in which they are written."""
    return tuple(
        host
        for index, region in enumerate(platform.spec.regions)
        for host in hosts_of(region, ("spec", "regions", index))
    )


def carriers(platform: Platform) -> Sequence[WantedHost]:
    """The hosts that carry node pods: workers; the managers where there are none."""
    hosts = wanted_hosts(platform)
    workers = [host for host in hosts if host.role == "worker"]
    return workers or [host for host in hosts if host.role == "manager"]


def hosts_of(region: Region, at: Loc = ()) -> Iterator[WantedHost]:
    """The hosts of one region; `at` is where the region is written."""
    match region:
        case LocalRegion() | CloudRegion():
            yield from _counted_out(region, at)
        case OnPremRegion():
            yield from _given(region, at)
        case _:
            assert_never(region)


def roles_of(region: Region) -> tuple[Role, ...]:
    """What its hosts are, each once, in the order of the vocabulary."""
    there = {host.role for host in hosts_of(region)}
    return tuple(role for role in get_args(Role) if role in there)


def _counted_out(region: LocalRegion | CloudRegion, at: Loc) -> Iterator[WantedHost]:
    groups: Sequence[LocalHosts | CloudHosts] = region.hosts
    for index, group in enumerate(groups):
        for number in range(group.count):
            yield WantedHost(
                name=f"{group.name}-{number + 1}",
                role=group.role,
                region=region.name,
                zone=group.zones[number % len(group.zones)],
                loc=(*at, "hosts", index),
                labels=group.labels,
                cpu=group.cpu if isinstance(group, LocalHosts) else None,  # else as much as the machine has
                memory=group.memory if isinstance(group, LocalHosts) else None,
            )


def _given(region: OnPremRegion, at: Loc) -> Iterator[WantedHost]:
    for index, host in enumerate(region.hosts):
        yield WantedHost(
            name=host.name,
            role=host.role,
            region=region.name,
            zone=host.zone,
            loc=(*at, "hosts", index),
            labels=host.labels,
            address=host.address,
            port=host.port or region.provider.ssh.port,
            cluster_address=_cluster_address(host),
        )


def _cluster_address(host: OnPremHost) -> IPv4Address | None:
    if host.cluster_address is not None:
        return host.cluster_address
    try:
        return IPv4Address(host.address)
    except ValueError:  # a name; a cross-check asks for the address
        return None

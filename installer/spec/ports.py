"""What hosts listen on for others, and who has to reach it: clouds' firewalls and the reference are made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from installer.spec.base import Role
from installer.spec.platform import ManagerNetwork

_ALL: Final[tuple[Role, ...]] = ("manager", "worker", "dedicated")
_CARRIERS: Final[tuple[Role, ...]] = ("manager", "worker")  # what sources call hosts, for short


class Source(StrEnum):
    """Who connects. `YOU`: whoever runs moorage, through the bastion where there is one."""

    YOU = "you"
    BALANCER = "the balancer of the manager's API"
    MANAGERS = "managers"
    HOSTS = "hosts"
    DEDICATED = "dedicated hosts"
    USERS = "users of clusters"


@dataclass(frozen=True, kw_only=True)
class Port:
    """Ports from `first` to `last`, on hosts of some roles, for some sources."""

    protocol: Literal["tcp", "udp"] = "tcp"
    first: int
    last: int
    what: str
    on: tuple[Role, ...] = _ALL
    sources: tuple[Source, ...]
    joins: bool = True  # hosts of other regions have it, too

    @property
    def range(self) -> str:
        """`6443`, or `2379-2380`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def ports(network: ManagerNetwork, *, balanced: bool = False) -> Iterator[Port]:
    """All of them, for a platform's choice of ports for clusters, and of what is between its hosts.

    `balanced`: users reach those by a balancer, which leads to managers; nobody but the installer asks workers.
    """
    yield from _FIXED
    if network.between == "wireguard":
        yield WIREGUARD
        yield replace(VXLAN, on=("dedicated",), sources=(Source.DEDICATED,))
    else:
        yield VXLAN
    yield BUNDLE
    clusters = of_clusters(network)
    if balanced:
        yield replace(clusters, on=("manager",))
        yield replace(clusters, on=("worker",), sources=(Source.YOU, Source.DEDICATED))
    else:
        yield clusters


def of_clusters(network: ManagerNetwork) -> Port:
    """Where clusters' APIs are."""
    first, last = network.ports
    return Port(
        first=first,
        last=last,
        what="APIs of clusters, one port each; `spec.manager.network.ports`",
        on=_CARRIERS,
        sources=(Source.YOU, Source.DEDICATED, Source.USERS),
    )


_OTHERS: Final = (Source.HOSTS, Source.DEDICATED)


def wanted_of_others(role: Role, *, source: Role, network: ManagerNetwork) -> tuple[int, ...]:
    """TCP ports that a host of `role` has for one of another region, a `source`, besides SSH.

    Those of hosts of a single cluster are not among them: what listens there comes with the cluster.
    """
    if role == "dedicated":
        return ()
    sources = {Source.HOSTS: source != "dedicated", Source.MANAGERS: source == "manager"}
    found = [one for one in ports(network) if one.joins and one.protocol == "tcp" and one != SSH and role in one.on]
    reached = [one for one in found if any(sources.get(who, False) for who in one.sources)]
    return tuple(number for one in reached for number in range(one.first, one.last + 1))


SSH: Final = Port(
    first=22,
    last=22,
    what="SSH: the installer; and each host from each other, as preflight's test of the network",
    sources=(Source.YOU, *_OTHERS),
)
API: Final = Port(
    first=6443,
    last=6443,
    what="the manager's API",
    on=("manager",),
    sources=(Source.YOU, Source.BALANCER, Source.HOSTS),
)
VXLAN: Final = Port(protocol="udp", first=8472, last=8472, what="VXLAN of pod networks", sources=_OTHERS)
WIREGUARD: Final = Port(
    protocol="udp",
    first=51820,
    last=51820,
    what="WireGuard of the manager's pod network",
    on=_CARRIERS,
    sources=(Source.HOSTS,),
)
BUNDLE: Final = Port(
    first=7444,
    last=7444,
    what="handing on the bundle in a region, only while that runs",
    sources=_OTHERS,
    joins=False,
)
_FIXED: Final = (
    SSH,
    API,
    Port(first=2379, last=2380, what="the manager's etcd; mutual TLS", on=("manager",), sources=(Source.MANAGERS,)),
    Port(first=10250, last=10250, what="kubelet", on=_CARRIERS, sources=(Source.MANAGERS,)),
    Port(first=10250, last=10250, what="kubelet", on=("dedicated",), sources=(Source.HOSTS,)),
    Port(
        first=7445,
        last=7445,
        what="the way in for API servers of its cluster; mutual TLS",
        on=("dedicated",),
        sources=(Source.HOSTS,),
    ),
    Port(first=10247, last=10247, what="which authorities it has", on=("dedicated",), sources=(Source.HOSTS,)),
)

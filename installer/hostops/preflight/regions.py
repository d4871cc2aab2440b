"""Will what lies between regions carry a platform, quickly enough and unread by others?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from itertools import combinations
from typing import Final

from installer.hostops.peers import SMALLER
from installer.hostops.preflight.registry import Finding, Machine, Severity, check, known

# etcd's defaults, which we keep: a heartbeat each 100 ms, an election after 1 s without one, which is to be ten round
# trips at least: https://etcd.io/docs/v3.6/tuning/#time-parameters. Every write of the manager waits for one of them.
_TOO_LONG_MS: Final = 100.0
_LONG_MS: Final = 50.0
_FAR_MS: Final = 300.0  # hosts work from further away; whoever looks into a pod there waits


@check("wireguard", group="network", ignorable=False)
def wireguard(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Kernels have WireGuard where that is to be between hosts; a container has its machine's."""
    for machine, facts in known(machines):
        if machine.encrypted and not facts.wireguard:
            repair = "on its machine: modprobe wireguard" if facts.nested else "modprobe wireguard"
            told = f"kernel {facts.kernel} has no WireGuard"
            wanted = "a kernel with it (CONFIG_WIREGUARD), for spec.manager.network.between: wireguard"
            yield Finding(machine.name, told, wanted, repair)


@check("cleartext", group="network")
def cleartext(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """What pods of different regions say to each other is not sent over public addresses as it is."""
    for machine in machines:
        others = sorted({o.region for o in machines if o.region != machine.region and not _is_hidden(machine, o)})
        if others and ip_address(machine.address).is_global:
            encrypts = machine.role != "dedicated"
            yield Finding(
                machine.name,
                f"its address {machine.address} is public, and pods of region {', '.join(others)} are reached from it"
                " as they are",
                "private addresses among hosts (peering, a VPN)"
                + (", or spec.manager.network.between: wireguard" if encrypts else ""),
            )


@check("packet-size", group="network")
def packet_size(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """What a host sends in one packet, another region gets in one."""
    for machine, facts in known(machines):
        size = facts.mtu_of(machine.address)
        for peer, reached in machine.peers.items():
            if reached.carries is not None and reached.carries < size:
                repair = f"ip link set dev ... mtu {reached.carries or min(SMALLER)}, on all hosts and for good"
                yield Finding(machine.name, f"packets of {size} bytes do not reach {peer}", "they do", repair)


def _is_hidden(one: Machine, other: Machine) -> bool:
    return one.encrypted and other.encrypted


@check("etcd-round-trip", group="etcd")
def etcd_round_trip(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Managers of different regions are near enough for etcd to keep its leader."""
    for one, other, took in _between_managers(machines):
        if took > _TOO_LONG_MS:
            yield _far(one, other, took, _TOO_LONG_MS)


@check("etcd-round-trip-pace", group="etcd", severity=Severity.WARNING)
def etcd_round_trip_pace(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """They are near enough for a busy etcd."""
    for one, other, took in _between_managers(machines):
        if _LONG_MS < took <= _TOO_LONG_MS:
            yield _far(one, other, took, _LONG_MS)


def _far(one: Machine, other: Machine, took: float, bound: float) -> Finding:
    told = f"{took:.0f} ms to {other.name} in region {other.region} and back"
    return Finding(one.name, told, f"at most {bound:.0f} ms", "have all managers in one region, or in nearer ones")


@check("distance", group="network", severity=Severity.WARNING)
def distance(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Regions are near enough to look into."""
    for (one, other), took in round_trips(machines).items():
        if took > _FAR_MS:
            told = f"{took:.0f} ms to region {other} and back"
            yield Finding(f"region {one}", told, f"at most {_FAR_MS:.0f} ms", "a platform of its own for that region")


def round_trips(machines: tuple[Machine, ...]) -> Mapping[tuple[str, str], float]:
    """Between each two regions, the shortest of those measured, milliseconds."""
    found: dict[tuple[str, str], float] = {}
    for one, other, took in _measured(machines):
        if one.region != other.region:
            pair = min(one.region, other.region), max(one.region, other.region)
            found[pair] = min(took, found.get(pair, took))
    return dict(sorted(found.items()))


def _between_managers(machines: tuple[Machine, ...]) -> Iterator[tuple[Machine, Machine, float]]:
    """Two managers of different regions each, and the shorter of both ways' round trips."""
    measured = {(one.name, other.name): took for one, other, took in _measured(machines)}
    managers = [machine for machine in machines if machine.role == "manager"]
    for one, other in combinations(managers, 2):
        both = [measured[way] for way in ((one.name, other.name), (other.name, one.name)) if way in measured]
        if both and one.region != other.region:
            yield one, other, min(both)


def _measured(machines: tuple[Machine, ...]) -> Iterator[tuple[Machine, Machine, float]]:
    by_name = {machine.name: machine for machine in machines}
    for machine in machines:
        for name, reached in machine.peers.items():
            if reached.round_trip_ms is not None and name in by_name:
                yield machine, by_name[name], reached.round_trip_ms

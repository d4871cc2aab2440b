"""Which Service of type LoadBalancer has which address: decisions alone, nothing is read or written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from installer.kubernetes import speakers, twins
from installer.spec.addresses import Range

Service = Mapping[str, Any]  # as an API has it
_SETTING: Final = "spec.network.loadBalancer.addresses"


@dataclass(frozen=True)
class Waits:
    """A Service has no address. `why`: a sentence for whoever made it."""

    why: str


def is_ours(service: Service) -> bool:
    """Whether a Service wants an address from us: those of another class are somebody else's."""
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer" or service["metadata"].get("deletionTimestamp"):
        return False
    return spec.get("loadBalancerClass") in (None, speakers.CLASS)


def is_local(service: Service) -> bool:
    """Whether only nodes with a pod of the Service may be sent to, so that pods see who asks."""
    return service["spec"].get("externalTrafficPolicy") == "Local"  # type: ignore[no-any-return]


def give(
    services: Sequence[Service], held: Mapping[str, IPv4Address], ranges: Sequence[Range]
) -> dict[str, IPv4Address | Waits]:
    """For the uid of each Service of ours, its address or why it waits.

    Who holds an address (`held`, by uid) keeps it while it is one of the cluster's and the one that is wanted; then
    those choose that want a certain one, then the oldest.
    """
    decided: dict[str, IPv4Address | Waits] = {}
    taken: dict[IPv4Address, str] = {}
    for service in sorted(services, key=lambda one: _rank(one, held)):
        uid = service["metadata"]["uid"]
        found = _choice(service, held.get(uid), ranges, taken)
        decided[uid] = found
        if isinstance(found, IPv4Address):
            taken[found] = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
    return decided


def _rank(service: Service, held: Mapping[str, IPv4Address]) -> tuple[bool, bool, str, str]:
    meta = service["metadata"]
    return (meta["uid"] not in held, not _wish(service), str(meta.get("creationTimestamp", "")), meta["uid"])


def _choice(
    service: Service, held: IPv4Address | None, ranges: Sequence[Range], taken: Mapping[IPv4Address, str]
) -> IPv4Address | Waits:
    if lacking := [port["port"] for port in service["spec"].get("ports") or () if not port.get("nodePort")]:
        ports = ", ".join(map(str, lacking))
        return Waits(f"port {ports} has no node port to come in by: spec.allocateLoadBalancerNodePorts must be true")
    if not ranges:
        return Waits(f"this cluster has no addresses for load balancers; its operator gives it some in {_SETTING}")
    if wish := _wish(service):
        return _wished(wish, ranges, taken)
    if held is not None and any(held in one for one in ranges) and held not in taken:
        return held
    free = next((address for address in _every(ranges) if address not in taken), None)
    if free is None:
        total = sum(map(len, ranges))
        return Waits(f"all {total} addresses of this cluster are taken; its operator gives it more in {_SETTING}")
    return free


def _wished(wish: str, ranges: Sequence[Range], taken: Mapping[IPv4Address, str]) -> IPv4Address | Waits:
    try:
        address = IPv4Address(wish)
    except ValueError:
        return Waits(f"{wish!r} is not an IPv4 address")
    if not any(address in one for one in ranges):
        return Waits(f"{address} is not one of this cluster's addresses: {', '.join(map(str, ranges))}")
    if address in taken:
        return Waits(f"{address} is the address of Service {taken[address]}")
    return address


def _wish(service: Service) -> str:
    """Which address a Service asks for; the field is deprecated, but used."""
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(twins.ADDRESS) or service["spec"].get("loadBalancerIP") or "")


def _every(ranges: Sequence[Range]) -> Iterator[IPv4Address]:
    return (address for one in ranges for address in one)

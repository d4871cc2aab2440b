"""Hosts that the manager does not hear of: each lost by itself, or cut off with its region; nothing else.

The manager says of each node whether it is ready, and since when, so all that follows is the same for whoever asks,
and for a controller that was killed meanwhile. https://kubernetes.io/docs/reference/labels-annotations-taints/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"
# A host counts as not ready only after several leases were missed: from then on there is little to wait for.
SINGLE_S: Final = 5.0
# Hosts that fall silent at one moment are noticed up to 10 s apart: leases are renewed and looked at each 5 s.
NEIGHBOURS_S: Final = 12.0
TOGETHER_S: Final = 30.0
RETURNING_S: Final = 60.0  # a region that comes back does so host by host


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """A host as the manager has it. `since`: seconds of the epoch from which on it is ready, or is not."""

    name: str
    region: str
    ready: bool
    since: float


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """A region that is cut off as a whole: more than half of its hosts fell silent together."""

    hosts: tuple[str, ...]
    since: float  # seconds of the epoch

    @property
    def moment(self) -> str:
        """Since when, for people, RFC 3339."""
        return datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of_nodes(nodes: Iterable[Any]) -> list[HostSeen]:
    """The hosts behind nodes of the manager (lightkube)."""
    return [_of_node(node) for node in nodes]


def _of_node(node: Any) -> HostSeen:
    told = [one for one in (node.status.conditions or ()) if one.type == "Ready"] if node.status else []
    since = told[0].lastTransitionTime.timestamp() if told and told[0].lastTransitionTime else 0.0
    ready = bool(told) and told[0].status == "True"
    region = (node.metadata.labels or {}).get(REGION, "")
    return HostSeen(name=node.metadata.name, region=region, ready=ready, since=since)


def cut_off(hosts: Sequence[HostSeen]) -> dict[str, CutOff]:
    """The regions that are cut off, by name, as seen from another one."""
    found: dict[str, CutOff] = {}
    for region in sorted({host.region for host in hosts}):
        there = [host for host in hosts if host.region == region]
        elsewhere = any(host.ready for host in hosts if host.region != region)
        away = [host for host in there if elsewhere and not host.ready and _fell_with_others(host, there)]
        if away:
            names = tuple(sorted(host.name for host in away))
            found[region] = CutOff(hosts=names, since=min(host.since for host in away))
    return found


def patience(hosts: Sequence[HostSeen], graces: Mapping[str, float], *, now: float) -> dict[str, float]:
    """For how many seconds more each host that is not ready is waited for; 0: what was on it is to be made elsewhere.

    A single one is waited for no longer than it takes to know that it is one. One that is cut off with its region, or
    may be about to come back with it, has the region's grace (`graces`: seconds, by region). Where no host is ready,
    nobody is there to take a place.
    """
    if not any(host.ready for host in hosts):
        return {}
    alone_s = NEIGHBOURS_S if len({host.region for host in hosts}) > 1 else SINGLE_S
    longer = waiting(hosts, graces, now=now)
    return {
        host.name: max(0.0, alone_s - (now - host.since), longer.get(host.name, 0.0))
        for host in hosts
        if not host.ready
    }


def waiting(hosts: Sequence[HostSeen], graces: Mapping[str, float], *, now: float) -> dict[str, float]:
    """The hosts that are away with their region, or may come back with it, and for how many seconds more they may."""
    apart = {name for region in cut_off(hosts).values() for name in region.hosts}
    found = {}
    for host in hosts:
        left_s = graces.get(host.region, 0.0) - (now - host.since)
        if not host.ready and host.name in apart:
            found[host.name] = left_s
        elif not host.ready and (returned := _returned(host, hosts)):
            found[host.name] = min(left_s, RETURNING_S - (now - returned))
    return {name: left_s for name, left_s in found.items() if left_s > 0}


def _fell_with_others(host: HostSeen, there: Sequence[HostSeen]) -> bool:
    """Whether more than half of its region fell silent with it; who was away long before says nothing of that."""
    before = [one for one in there if one.ready or one.since >= host.since - TOGETHER_S]
    together = [one for one in before if not one.ready and one.since <= host.since + TOGETHER_S]
    return 2 * len(together) > len(before)


def _returned(host: HostSeen, hosts: Sequence[HostSeen]) -> float:
    """When others of its region, which is not the only one, last came back after it was lost; 0: none did."""
    several = len({one.region for one in hosts}) > 1
    there = [one for one in hosts if one.region == host.region and one.ready]
    return max((one.since for one in there if several and one.since > host.since), default=0.0)

"""How the regions of a platform are: reached from here, heard of by the manager, or cut off and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from installer.kubernetes.lost import CutOff
from installer.workflows.hosts import HostInfo


@dataclass(frozen=True, kw_only=True)
class RegionInfo:
    """A region with hosts. `cut_off_since` (RFC 3339): of the manager; empty: it is not."""

    name: str
    hosts: int
    reachable: int  # from here
    cut_off_since: str
    silent: tuple[str, ...]  # its hosts of which `problem` tells
    problem: str  # empty: none of the region as a whole


def look(
    hosts: Sequence[HostInfo], cut_off: Mapping[str, CutOff], graces: Mapping[str, float]
) -> tuple[RegionInfo, ...]:
    """All regions by name. What is told of a region as a whole need not be told of each of its hosts.

    `cut_off`: as the manager sees it; `graces`: in seconds.
    """
    names = sorted({host.region for host in hosts})
    return tuple(_region(name, hosts, cut_off.get(name), graces.get(name, 0.0)) for name in names)


def _region(name: str, hosts: Sequence[HostInfo], cut: CutOff | None, grace_s: float) -> RegionInfo:
    there = [host for host in hosts if host.region == name]
    reached = [host for host in there if not host.problem]
    away = not reached and any(not host.problem for host in hosts if host.region != name)
    problem = ""
    silent: tuple[str, ...] = ()
    if cut:
        until = datetime.fromtimestamp(cut.since + grace_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        problem = f"cut off since {cut.moment} ({_counted(len(cut.hosts))}); what is there is waited for until {until}"
        silent = tuple(host.name for host in there) if away else cut.hosts
    elif away:
        problem = f"{_counted(len(there))}, none of which is reached from here"
        silent = tuple(host.name for host in there)
    return RegionInfo(
        name=name,
        hosts=len(there),
        reachable=len(reached),
        cut_off_since=cut.moment if cut else "",
        silent=silent,
        problem=problem,
    )


def _counted(hosts: int) -> str:
    return "1 host" if hosts == 1 else f"{hosts} hosts"

"""Hosts that a specification no longer has, kept beside those it has until nothing is on them any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from installer.spec.base import Model
from installer.spec.cloud import CloudHosts, CloudRegion
from installer.spec.platform import LocalHosts, LocalRegion, OnPremHost, OnPremRegion, Platform, Region

T = TypeVar("T", bound=Model)
G = TypeVar("G", LocalHosts, CloudHosts)


def keeping(before: Platform, now: Platform) -> Platform:
    """`now`, with the regions and hosts that only `before` has at the end: regions, groups and hosts go by name."""
    earlier = {region.name: region for region in before.spec.regions}
    regions = [_region(earlier.pop(region.name, region), region) for region in now.spec.regions]
    spec = now.spec.model_copy(update={"regions": (*regions, *earlier.values())})
    return now.model_copy(update={"spec": spec})


def _region(before: Region, now: Region) -> Region:
    match before, now:
        case LocalRegion(), LocalRegion():
            return _with(now, _groups(before.hosts, now.hosts))
        case OnPremRegion(), OnPremRegion():
            return _with(now, _hosts(before.hosts, now.hosts))
        case CloudRegion(), CloudRegion() if type(before) is type(now):
            return _with(now, _groups(before.hosts, now.hosts))
        case _:  # another provider, which may not change and is refused elsewhere
            return now


def _with(region: T, hosts: Sequence[LocalHosts] | Sequence[OnPremHost] | Sequence[CloudHosts]) -> T:
    return region.model_copy(update={"hosts": tuple(hosts)})


def _groups(before: Sequence[G], now: Sequence[G]) -> list[G]:
    earlier: dict[str, G] = {group.name: group for group in before}
    kept: list[G] = [
        group.model_copy(update={"count": max(group.count, earlier.pop(group.name, group).count)}) for group in now
    ]
    return kept + list(earlier.values())


def _hosts(before: Sequence[OnPremHost], now: Sequence[OnPremHost]) -> list[OnPremHost]:
    names = {host.name for host in now}
    return [*now, *(host for host in before if host.name not in names)]

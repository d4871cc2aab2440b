"""Cross-checks of regions on Azure: the bastion has a subnet, and hosts have room in theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.spec.azure import AzureExistingNetwork, AzureRegion
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

_TAKEN: Final = 6  # of a subnet's addresses: five are Azure's, one the balancer's


def networks(subject: Subject) -> Iterator[Finding]:
    """A network that exists has a subnet for the bastion too: rules by groups of machines hold in one network."""
    for region, at in _regions(subject):
        network = region.provider.network
        if not isinstance(network, AzureExistingNetwork) or region.provider.access.public or subject.platform is None:
            continue
        if network.bastion_subnet is None:
            message = "bastionSubnet is required: the bastion has to be in one"
            yield Finding(subject.platform, (*at, "provider", "network"), message)
        elif _network(network.bastion_subnet) != _network(network.subnet):
            message = "is of another network than subnet"
            yield Finding(subject.platform, (*at, "provider", "network", "bastionSubnet"), message)


def room(subject: Subject) -> Iterator[Finding]:
    """All hosts of a region have an address in the first half of its own network."""
    for region, at in _regions(subject):
        network = region.provider.network
        if isinstance(network, AzureExistingNetwork) or subject.platform is None:
            continue
        have, wanted = network.cidr.num_addresses // 2 - _TAKEN, sum(group.count for group in region.hosts)
        if wanted > have:
            message = f"has room for {have} hosts, {wanted} are asked for"
            yield Finding(subject.platform, (*at, "provider", "network", "cidr"), message)


def _network(subnet: str) -> str:
    return subnet.rpartition("/subnets/")[0].lower()


def _regions(subject: Subject) -> Iterator[tuple[AzureRegion, Loc]]:
    if platform := subject.platform:
        for index, region in enumerate(platform.spec.regions):
            if isinstance(region, AzureRegion):
                yield region, ("spec", "regions", index)

"""Cross-checks of regions on AWS: hosts find a subnet, and what they ask for can be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.spec.aws import AwsDisk, AwsRegion, ExistingNetwork
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

_IOPS: Final = 16000  # the most that gp3 has


def zones(subject: Subject) -> Iterator[Finding]:
    """In a network that exists there is a subnet for each host, and one that the bastion can be reached in."""
    for region, at in _regions(subject):
        network, public = region.provider.network, region.provider.access.public
        if not isinstance(network, ExistingNetwork) or subject.platform is None:
            continue
        have, key = (network.public_subnets, "publicSubnets") if public else (network.subnets, "subnets")
        for index, group in enumerate(region.hosts):
            if missing := sorted(set(group.zones) - set(have)):
                message = f"provider.network.{key} has no subnet for {', '.join(missing)}"
                yield Finding(subject.platform, (*at, "hosts", index, "zones"), message)
        if not public and not network.public_subnets:
            message = "publicSubnets is required: the bastion has to be in one"
            yield Finding(subject.platform, (*at, "provider", "network"), message)
        elif not public and region.provider.access.cluster_balancer == "public":
            # A balancer leads nowhere in zones that it has no address in.
            managers = {zone for group in region.hosts if group.role == "manager" for zone in group.zones}
            if missing := sorted(managers - set(network.public_subnets)):
                message = f"has no subnet for the public balancer before managers in {', '.join(missing)}"
                yield Finding(subject.platform, (*at, "provider", "network", "publicSubnets"), message)


def disks(subject: Subject) -> Iterator[Finding]:
    """A disk's iops are given where its type needs them, and no more than it has."""
    for disk, loc in _disks(subject):
        if subject.platform is None:
            continue
        if disk.type == "io2" and disk.iops is None:
            yield Finding(subject.platform, loc, "iops is required for io2")
        if disk.type == "gp3" and (disk.iops or 0) > _IOPS:
            yield Finding(subject.platform, (*loc, "iops"), f"gp3 has {_IOPS} at most; io2 has more")


def _regions(subject: Subject) -> Iterator[tuple[AwsRegion, Loc]]:
    if platform := subject.platform:
        for index, region in enumerate(platform.spec.regions):
            if isinstance(region, AwsRegion):
                yield region, ("spec", "regions", index)


def _disks(subject: Subject) -> Iterator[tuple[AwsDisk, Loc]]:
    for region, at in _regions(subject):
        for index, group in enumerate(region.hosts):
            yield group.disk, (*at, "hosts", index, "disk")
            for number, volume in enumerate(group.volumes):
                yield volume, (*at, "hosts", index, "volumes", number)

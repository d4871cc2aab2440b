"""What the stack of each cloud makes that is paid for while it is there: counted from a region's specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from installer.spec.aws import AwsDisk, AwsRegion, OwnNetwork
from installer.spec.azure import AzureOwnNetwork, AzureRegion
from installer.spec.cloud import CloudRegion
from installer.spec.gcp import GcpOwnNetwork, GcpRegion
from installer.spec.quantity import memory_bytes

Quantities = Counter[tuple[str, str]]  # (what, type) -> how many, GiB or operations a second

_GIB: Final = 2**30
_WITH_GP3: Final = 3000  # operations a second that come with a disk
_MOST_IO2: Final = 32_000  # to which one price holds
_AWS_BASTION_GIB: Final = 10
_AZURE_BASTION: Final = "StandardSSD_LRS 32 GiB"
_GCP_BASTION_GIB: Final = 10  # of the image


def aws(region: AwsRegion) -> tuple[str, Quantities]:
    """AWS' name of the region, and what stacks/aws makes there."""
    found: Quantities = Counter()
    given, network = region.provider, region.provider.network
    for group in region.hosts:
        found["instance", _spot(group.instance_type, group.spot)] += group.count
        for disk in (group.disk, *group.volumes):
            _ebs(found, disk, group.count)
    found["balancer", "network"] += _balancers(region)
    zones = {zone for group in region.hosts for zone in group.zones}
    if given.access.public:
        # Of the balancer, too: one a subnet, which is one a zone.
        found["address", "public"] += _count(region) + len(zones) * _balancers(region)
    else:
        found["instance", given.access.bastion_type] += 1
        found["disk", "gp3"] += _AWS_BASTION_GIB
        found["address", "public"] += 1 + len(zones) * (_balancers(region) > 1)
        if isinstance(network, OwnNetwork) and network.nat != "none":
            gateways = len(zones) if network.nat == "zone" else 1
            found["gateway", "nat"] += gateways
            found["address", "public"] += gateways
    return given.region, found


def _ebs(found: Quantities, disk: AwsDisk, count: int) -> None:
    found["disk", disk.type] += count * _gib(disk.size)
    free = _WITH_GP3 if disk.type == "gp3" else 0
    if disk.iops and disk.iops > free:
        kind = f"{disk.type} above {_MOST_IO2}" if disk.type == "io2" and disk.iops > _MOST_IO2 else disk.type
        found["iops", kind] += count * (disk.iops - free)


def azure(region: AzureRegion) -> tuple[str, Quantities]:
    """Azure's name of the region, and what stacks/azure makes there. A disk is priced as one, by its size."""
    found: Quantities = Counter()
    given, network = region.provider, region.provider.network
    for group in region.hosts:
        found["instance", _spot(group.size, group.spot)] += group.count
        for disk in (group.disk, *group.volumes):
            found["disk", f"{disk.type} {_gib(disk.size)} GiB"] += group.count
    found["balancer", "standard"] += _balancers(region)
    if given.access.public:
        found["address", "public"] += _count(region) + _balancers(region)
    else:
        found["instance", given.access.bastion_size] += 1
        found["disk", _AZURE_BASTION] += 1
        found["address", "public"] += 1 + (_balancers(region) > 1)
        if isinstance(network, AzureOwnNetwork) and network.nat != "none":
            found["gateway", "nat"] += 1
            found["address", "public"] += 1
    return given.location, found


def gcp(region: GcpRegion) -> tuple[str, Quantities]:
    """Google's name of the region, and what stacks/gcp makes there."""
    found: Quantities = Counter()
    given, network = region.provider, region.provider.network
    for group in region.hosts:
        found["instance", _spot(group.machine_type, group.spot)] += group.count
        for disk in (group.disk, *group.volumes):
            found["disk", disk.type] += group.count * _gib(disk.size)
            if disk.iops:
                found["iops", disk.type] += group.count * disk.iops
        if group.gpu:
            found["gpu", _spot(group.gpu.type, group.spot)] += group.count * group.gpu.count
    rules = 0 if not _balancers(region) else 1 if given.access.cluster_balancer == "none" else 2
    found["balancer", "forwarding rule"] += rules
    if given.access.public:
        found["address", "public"] += _count(region) + rules
    else:
        found["instance", given.access.bastion_type] += 1
        found["disk", "pd-standard"] += _GCP_BASTION_GIB
        found["address", "public"] += 1 + (given.access.cluster_balancer == "public")
        if isinstance(network, GcpOwnNetwork) and network.nat != "none":
            found["gateway", "nat"] += 1
    return given.region, found


def _spot(name: str, spot: bool) -> str:
    return f"{name} (spot)" if spot else name


def _gib(size: str) -> int:
    return -(-memory_bytes(size) // _GIB)


def _balancers(region: CloudRegion) -> int:
    """Before managers, where there are any: of their API; a second where clusters' ports need another address."""
    if not any(group.role == "manager" and group.count for group in region.hosts):
        return 0
    access = region.provider.access
    return 2 if access.cluster_balancer == "public" and not access.public else 1


def _count(region: CloudRegion) -> int:
    return sum(group.count for group in region.hosts)


BY_KIND: Final[Mapping[str, Callable[[Any], tuple[str, Quantities]]]] = {"aws": aws, "azure": azure, "gcp": gcp}
FREE: Final = frozenset({"local", "onprem"})

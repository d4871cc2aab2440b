"""Cross-checks of regions in any cloud: what managers may not be, what hosts cannot, what balancers can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.spec.cloud import CloudHosts, CloudRegion
from installer.spec.gpus import has_gpus
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject

# Where a balancer has a rule a port, one of which may be for the manager's API. AWS: listeners of a balancer; Azure:
# rules of a network interface, but inside one is enough for all ports.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html
# https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits
_ETCD: Final = "/var/lib/etcd"
_MOST_PORTS: Final = {("aws", "internal"): 49, ("aws", "public"): 49, ("azure", "public"): 299}


def spot(subject: Subject) -> Iterator[Finding]:
    """No manager is a machine that its cloud may take back."""
    for group, loc in _groups(subject):
        if subject.platform and group.spot and group.role == "manager":
            yield Finding(subject.platform, (*loc, "spot"), "is for workers: a manager holds data")


def arch(subject: Subject) -> Iterator[Finding]:
    """Machine images are looked up for amd64 alone."""
    if (platform := subject.platform) and platform.spec.arch != "amd64":
        for region in platform.spec.regions:
            if isinstance(region, CloudRegion):
                message = f"hosts of region {region.name}, in a cloud, are amd64"
                yield Finding(platform, ("spec", "arch"), message)


def volumes(subject: Subject) -> Iterator[Finding]:
    """A directory has one disk, and etcd's is where etcd is."""
    for group, loc in _groups(subject):
        taken: set[str] = set()
        for index, volume in enumerate(group.volumes):
            at = (*loc, "volumes", index, "mount")
            if subject.platform and volume.mount in taken:
                yield Finding(subject.platform, at, "has a disk already")
            if subject.platform and volume.mount == _ETCD and group.role != "manager":
                yield Finding(subject.platform, at, "is for managers")
            taken.add(volume.mount)


def gpus(subject: Subject) -> Iterator[Finding]:
    """Machines with GPUs are whole nodes of a cluster: node pods get none of what a host has."""
    for group, loc in _groups(subject):
        if subject.platform and group.role != "dedicated" and has_gpus(group):
            yield Finding(
                subject.platform, (*loc, "role"), "must be dedicated for machines with GPUs: node pods get none"
            )


def balancers(subject: Subject) -> Iterator[Finding]:
    """A balancer of clusters' ports is for somebody, has managers to lead to, and is not asked for too many ports."""
    for region, at in _regions(subject):
        access, loc = region.provider.access, (*at, "provider", "access", "clusterBalancer")
        if subject.platform is None or access.cluster_balancer == "none":
            continue
        first, last = subject.platform.spec.manager.network.ports
        most = _MOST_PORTS.get((region.provider.kind, access.cluster_balancer))
        if not access.published:
            yield Finding(subject.platform, loc, "is for nobody: access.published names who may use it")
        if access.public and access.cluster_balancer == "internal":
            yield Finding(subject.platform, loc, "is inside a network whose hosts are public: public or none")
        if not any(group.role == "manager" and group.count for group in region.hosts):
            yield Finding(subject.platform, loc, "leads to managers, and this region has none")
        if most and last - first >= most:
            message = f"has {most} ports at most here; spec.manager.network.ports has {last - first + 1}"
            yield Finding(subject.platform, loc, message)


def _groups(subject: Subject) -> Iterator[tuple[CloudHosts, Loc]]:
    for region, at in _regions(subject):
        for index, group in enumerate(region.hosts):
            yield group, (*at, "hosts", index)


def _regions(subject: Subject) -> Iterator[tuple[CloudRegion, Loc]]:
    for number, region in enumerate(subject.platform.spec.regions if subject.platform else ()):
        if isinstance(region, CloudRegion):
            yield region, ("spec", "regions", number)

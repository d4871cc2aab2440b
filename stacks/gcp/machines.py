"""Instances on Google Cloud: hosts, and the bastion through which they are reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_gcp.compute.address import Address
from pulumi_gcp.compute.disk import Disk
from pulumi_gcp.compute.get_image import get_image_output
from pulumi_gcp.compute.instance import Instance

from installer.spec.cloud import Mount
from installer.spec.gcp import GcpDisk, GcpHosts, GcpImage
from installer.spec.gpus import has_gpus
from installer.spec.hosts import WantedHost
from installer.spec.quantity import memory_bytes
from stacks.common.cloud_init import user_data
from stacks.common.resources import HostKey
from stacks.common.tags import Tags
from stacks.gcp.each_boot import EACH_BOOT
from stacks.gcp.names import network_tag

_UBUNTU: Final = "ubuntu-os-cloud"  # the project of https://cloud.google.com/compute/docs/images/os-details#ubuntu_lts
FAMILIES: Final = {"ubuntu-22.04": "ubuntu-2204-lts", "ubuntu-24.04": "ubuntu-2404-lts-amd64"}
# Who may log in is said by user data alone: not by the project, not by roles of Google's, not on a console.
_CLOSED: Final = {"block-project-ssh-keys": "TRUE", "enable-oslogin": "FALSE", "serial-port-enable": "FALSE"}
_SHIELDED: Final = {"enable_secure_boot": True, "enable_vtpm": True, "enable_integrity_monitoring": True}
_SPOT: Final = {
    "provisioning_model": "SPOT",
    "preemptible": True,
    "automatic_restart": False,
    "instance_termination_action": "DELETE",  # its disk and its address stay for the one that `up` makes in its place
}
_STAYS: Final = {"on_host_maintenance": "TERMINATE", "automatic_restart": True}
_SCOPES: Final = ["https://www.googleapis.com/auth/devstorage.read_write"]
_OUTSIDE: Final = {"network_tier": "PREMIUM"}


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """What all instances of a region have in common."""

    image: pulumi.Input[str]
    region: str
    subnet: pulumi.Input[str]
    public_keys: Sequence[str]  # who may log in
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """One host and the group that it is of."""

    common: MachineArgs
    wanted: WantedHost
    group: GcpHosts
    zone: pulumi.Input[str]
    public: bool
    after: Sequence[pulumi.Resource]  # what must be there first
    service_account: pulumi.Input[str] | None  # what the instance is to Google; None: nothing


@dataclass(frozen=True, kw_only=True)
class BastionArgs:
    """A bastion in one zone."""

    common: MachineArgs
    machine_type: str
    zone: pulumi.Input[str]


class Host(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """An address, a disk, and an instance that can be lost without them. `output`: its part of the contract."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Host", name, None, opts)
        child, common, wanted = pulumi.ResourceOptions(parent=self), args.common, args.wanted
        key, labels = HostKey(name, child), common.tags.of(name)
        address = Address(
            name,
            address_type="INTERNAL",
            subnetwork=common.subnet,
            region=common.region,
            labels=labels,
            opts=child,
        )
        disk = self._disk(name, args, args.group.disk, common.image)
        volumes = {volume.mount: volume.mount.rpartition("/")[2] for volume in args.group.volumes}
        self.instance = Instance(
            name,
            **_machine(name, common, key, args.zone, wanted.role, volumes=volumes),
            machine_type=args.group.machine_type,
            boot_disk={"source": disk.self_link, "auto_delete": False},
            attached_disks=[
                {
                    "source": self._disk(f"{name}-{volumes[volume.mount]}", args, volume).self_link,
                    "device_name": volumes[volume.mount],
                }
                for volume in args.group.volumes
            ]
            or None,
            guest_accelerators=[args.group.gpu.model_dump()] if args.group.gpu else None,
            network_interfaces=[
                {
                    "subnetwork": common.subnet,
                    "network_ip": address.address,
                    "access_configs": [_OUTSIDE] if args.public else [],
                }
            ],
            service_account={"email": args.service_account, "scopes": _SCOPES} if args.service_account else None,
            scheduling=_scheduling(args.group),
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["metadata"],
                depends_on=list(args.after),
                delete_before_replace=True,  # two cannot have one disk
            ),
        )
        inside = self.instance.network_interfaces[0]
        self.output = pulumi.Output.all(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=inside.access_configs[0].nat_ip if args.public else inside.network_ip,
            cluster_address=inside.network_ip,
            host_key=key.publicKey,
        )
        self.register_outputs({"instanceId": self.instance.instance_id})

    def _disk(self, name: str, args: HostArgs, disk: GcpDisk, image: pulumi.Input[str] | None = None) -> Disk:
        return Disk(
            name,
            image=image,
            size=-(-memory_bytes(disk.size) // 2**30),
            type=disk.type,
            provisioned_iops=disk.iops,
            zone=args.zone,
            labels=args.common.tags.of(name),
            # A host is never changed under what it carries: others are added, and these emptied and taken out.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["image"]),
        )


class Bastion(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """A small machine with an address that stays; `output` is what the contract says of it."""

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Bastion", name, None, opts)
        child, common = pulumi.ResourceOptions(parent=self), args.common
        key = HostKey(name, child)
        address = Address(name, address_type="EXTERNAL", region=common.region, labels=common.tags.of(name), opts=child)
        instance = Instance(
            name,
            **_machine(name, common, key, args.zone, "bastion"),
            machine_type=args.machine_type,
            boot_disk={"initialize_params": {"image": common.image}},
            network_interfaces=[
                {"subnetwork": common.subnet, "access_configs": [{**_OUTSIDE, "nat_ip": address.address}]}
            ],
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["metadata", "bootDisk"], delete_before_replace=True
            ),
        )
        reached_at = instance.network_interfaces[0].access_configs[0].nat_ip
        self.output = pulumi.Output.all(address=reached_at, host_key=key.publicKey)
        self.register_outputs({"address": reached_at})


def image_link(image: GcpImage, opts: pulumi.InvokeOutputOptions) -> pulumi.Input[str]:
    """The image that new disks are made from."""
    if image.name:
        return image.name
    return get_image_output(family=FAMILIES[image.family], project=_UBUNTU, opts=opts).self_link


def _scheduling(group: GcpHosts) -> dict[str, Any] | None:
    """https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance: such machines cannot be moved while they run."""
    if group.spot:
        return _SPOT
    return _STAYS if has_gpus(group) else None


def _machine(
    name: str,
    common: MachineArgs,
    key: HostKey,
    zone: pulumi.Input[str],
    group: str,
    *,
    volumes: Mapping[Mount, str] | None = None,
) -> dict[str, Any]:
    """`volumes`: names of disks, by where they are mounted."""
    # https://cloud.google.com/compute/docs/disks/disk-symlinks
    disks: dict[str, list[str]] = {
        mount: [f"/dev/disk/by-id/google-{volume}"] for mount, volume in (volumes or {}).items()
    }
    told = user_data(name=name, key=key, public_keys=common.public_keys, each_boot=EACH_BOOT, disks=disks)
    return {
        "zone": zone,
        "tags": [network_tag(common.tags, group)],
        "labels": common.tags.of(name),
        "metadata": {"user-data": told, **_CLOSED},
        "shielded_instance_config": _SHIELDED,
    }

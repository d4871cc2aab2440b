"""Instances on AWS: hosts, and the bastion through which they are reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_aws.ebs.volume import Volume
from pulumi_aws.ec2.eip import Eip
from pulumi_aws.ec2.get_ami import get_ami_output
from pulumi_aws.ec2.instance import Instance
from pulumi_aws.ec2.volume_attachment import VolumeAttachment

from installer.spec.aws import AwsDisk, AwsHosts, AwsImage
from installer.spec.hosts import WantedHost
from installer.spec.quantity import memory_bytes
from stacks.common.cloud_init import user_data
from stacks.common.resources import HostKey
from stacks.common.tags import Tags

# Who makes images, and what they call them: https://wiki.debian.org/Cloud/AmazonEC2Image,
# https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
_DEBIAN, _CANONICAL = "136693071363", "099720109477"
FAMILIES: Final = {
    "debian-12": (_DEBIAN, "debian-12-amd64-*"),
    "debian-13": (_DEBIAN, "debian-13-amd64-*"),
    "ubuntu-22.04": (_CANONICAL, "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"),
    "ubuntu-24.04": (_CANONICAL, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"),
}
# Only version 2, which asks for a token that no forwarded request can get; and one hop, which no pod is.
_METADATA: Final = {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1}
# A host is never changed under what it carries: others are added, and these emptied and taken out.
_KEPT: Final = ["ami", "userData", "subnetId"]
_LETTERS: Final = "fghijklmnop"  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
_BASTION_DISK: Final = AwsDisk(size="10Gi")


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """What all instances of a region have in common."""

    image: pulumi.Input[str]
    public_keys: Sequence[str]  # who may log in
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class HostArgs:
    """One host and the group that it is of."""

    common: MachineArgs
    wanted: WantedHost
    group: AwsHosts
    zone: str
    subnet: pulumi.Input[str]
    security_group: pulumi.Input[str]
    public: bool
    after: Sequence[pulumi.Resource]  # what must be there first
    profile: pulumi.Input[str] | None  # what the instance may do at AWS; None: nothing


@dataclass(frozen=True, kw_only=True)
class BastionArgs:
    """`subnet` is a public one."""

    common: MachineArgs
    instance_type: str
    subnet: pulumi.Input[str]
    security_group: pulumi.Input[str]
    after: Sequence[pulumi.Resource]  # what must be there first


class Host(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`output`: its part of the contract, but for the bastion."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Host", name, None, opts)
        wanted, holds_data = args.wanted, args.wanted.role == "manager"
        key = HostKey(name, pulumi.ResourceOptions(parent=self))
        volumes = self._volumes(name, args)
        self.instance = Instance(
            name,
            **_machine(name, args.common, key, args.group.disk, volumes),
            subnet_id=args.subnet,
            vpc_security_group_ids=[args.security_group],
            instance_type=args.group.instance_type,
            associate_public_ip_address=args.public,
            iam_instance_profile=args.profile,
            instance_market_options={"market_type": "spot"} if args.group.spot else None,
            # Nobody ends it by mistake; `moorage destroy` may.
            disable_api_termination=holds_data or None,
            force_destroy=holds_data or None,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=_KEPT, depends_on=list(args.after)),
        )
        for letter, (mount, volume) in zip(_LETTERS, volumes.items(), strict=False):
            VolumeAttachment(
                _named(name, mount),
                device_name=f"/dev/sd{letter}",
                instance_id=self.instance.id,
                volume_id=volume.id,
                skip_destroy=True,  # nobody takes a disk from a running host: it is free once that has ended
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.output = pulumi.Output.all(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=self.instance.public_ip if args.public else self.instance.private_ip,
            cluster_address=self.instance.private_ip,
            host_key=key.publicKey,
        )
        self.register_outputs({"instanceId": self.instance.id})

    def _volumes(self, name: str, args: HostArgs) -> dict[str, Volume]:
        """By where each is mounted. The instance knows their ids, and so goes before them."""
        return {
            wanted.mount: Volume(
                _named(name, wanted.mount),
                availability_zone=args.zone,
                size=_gib(wanted),
                type=wanted.type,
                iops=wanted.iops,
                encrypted=True,
                tags=args.common.tags.of(_named(name, wanted.mount)),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for wanted in args.group.volumes
        }


class Bastion(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """A small machine with an address that stays; `output` is what the contract says of it."""

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Bastion", name, None, opts)
        key = HostKey(name, pulumi.ResourceOptions(parent=self))
        instance = Instance(
            name,
            **_machine(name, args.common, key, _BASTION_DISK, {}),
            subnet_id=args.subnet,
            vpc_security_group_ids=[args.security_group],
            instance_type=args.instance_type,
            associate_public_ip_address=True,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=_KEPT, depends_on=list(args.after)),
        )
        address = Eip(
            name,
            domain="vpc",
            instance=instance.id,
            tags=args.common.tags.of(name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        self.output = pulumi.Output.all(address=address.public_ip, host_key=key.publicKey)
        self.register_outputs({"address": address.public_ip})


def image_id(image: AwsImage, opts: pulumi.InvokeOutputOptions) -> pulumi.Input[str]:
    """The image that new instances are made from."""
    if image.id:
        return image.id
    owner, name = FAMILIES[image.family]
    found = get_ami_output(
        most_recent=True,
        owners=[owner],
        filters=[
            {"name": "name", "values": [name]},
            {"name": "architecture", "values": ["x86_64"]},
            {"name": "virtualization-type", "values": ["hvm"]},
        ],
        opts=opts,
    )
    return found.id


def _machine(
    name: str, common: MachineArgs, key: HostKey, disk: AwsDisk, volumes: Mapping[str, Volume]
) -> dict[str, Any]:
    tags = common.tags.of(name)
    disks = {mount: volume.id.apply(_device_names) for mount, volume in volumes.items()}
    return {
        "ami": common.image,
        "user_data": user_data(name=name, key=key, public_keys=common.public_keys, disks=disks),
        "root_block_device": {
            "encrypted": True,
            "volume_size": _gib(disk),
            "volume_type": disk.type,
            "iops": disk.iops,
            "delete_on_termination": True,
            "tags": tags,
        },
        "metadata_options": _METADATA,
        "tags": tags,
    }


def _device_names(volume: str) -> list[str]:
    """As udev names it by its serial number: https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html"""
    return [f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"]


def _named(host: str, mount: str) -> str:
    """`manager-1-etcd`."""
    return f"{host}-{mount.rpartition('/')[2]}"


def _gib(disk: AwsDisk) -> int:
    return -(-memory_bytes(disk.size) // 2**30)

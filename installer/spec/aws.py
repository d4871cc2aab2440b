"""A region on AWS: its network, who may come in, images, instances and their disks."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag

from installer.spec.base import Model, always, never
from installer.spec.cloud import (
    CloudAccess,
    CloudBackups,
    CloudHosts,
    CloudNetwork,
    CloudRegion,
    DivisibleNetwork,
    Family,
    Volume,
)
from installer.spec.quantity import Memory

ZONE_PATTERN: Final = r"^[a-h]$"
REGION_PATTERN: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
INSTANCE_TYPE_PATTERN: Final = r"^[a-z0-9-]+\.[a-z0-9-]+$"
VPC_PATTERN: Final = r"^vpc-[0-9a-f]{8,17}$"
SUBNET_PATTERN: Final = r"^subnet-[0-9a-f]{8,17}$"
IMAGE_PATTERN: Final = r"^ami-[0-9a-f]{8,17}$"
TAG_PATTERN: Final = r"^[\w .:/=+@-]*$"  # what all services allow

Zone = Annotated[str, StringConstraints(pattern=ZONE_PATTERN)]
VpcId = Annotated[str, StringConstraints(pattern=VPC_PATTERN)]
SubnetId = Annotated[str, StringConstraints(pattern=SUBNET_PATTERN)]
ImageId = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN)]
RegionId = Annotated[str, StringConstraints(pattern=REGION_PATTERN)]
InstanceType = Annotated[str, StringConstraints(pattern=INSTANCE_TYPE_PATTERN)]


def _no_reserved_tag(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise ValueError("is reserved by AWS")
    return key


TagKey = Annotated[
    str, StringConstraints(pattern=TAG_PATTERN, min_length=1, max_length=128), AfterValidator(_no_reserved_tag)
]
TagValue = Annotated[str, StringConstraints(pattern=TAG_PATTERN, max_length=256)]


class OwnNetwork(CloudNetwork):
    """A network of the region's own: a private and a public subnet a zone."""

    cidr: DivisibleNetwork = never(
        IPv4Network("10.64.0.0/16"), description="Of a network of its own; each zone gets two sixteenths of it."
    )
    nat: Literal["none", "one", "zone"] = always(
        "one", description="Gateways for hosts without public addresses: none, one, or one a zone that hosts are in."
    )


class ExistingNetwork(Model):
    """A network that is there already, by id; nothing of it is changed."""

    vpc: VpcId = never(description="A network that exists, in place of one of its own.")
    subnets: dict[Zone, SubnetId] = always(min_length=1, description="Where hosts are made, by zone.")
    public_subnets: dict[Zone, SubnetId] = always(
        default_factory=dict, description="Where the bastion is made; or the hosts, if they are to be public."
    )


def _which(value: Any) -> str:
    return "existing" if isinstance(value, ExistingNetwork) or (isinstance(value, dict) and "vpc" in value) else "own"


Network = Annotated[
    Annotated[OwnNetwork, Tag("own")] | Annotated[ExistingNetwork, Tag("existing")], Discriminator(_which)
]


class AwsAccess(CloudAccess):
    """Who comes in."""

    bastion_type: InstanceType = always("t3.micro", description="The bastion's instance type.")


class AwsImage(Model):
    """What hosts are made from; those that are there keep theirs."""

    family: Family = always("debian-13", description="The newest image of its maker, for hosts made from now on.")
    id: ImageId | None = always(None, description="This image instead; it must know cloud-init.")


class AwsProvider(Model):
    """Instances of Amazon EC2."""

    kind: Literal["aws"] = never(description="Hosts on AWS.")
    region: RegionId = never(description="AWS' name of the region, such as `eu-central-1`.")
    network: Network = never(default_factory=OwnNetwork, description="Its network: of its own, or one that exists.")
    access: AwsAccess = always(description="Who may come in.")
    image: AwsImage = always(default_factory=AwsImage, description="What hosts are made from.")
    backups: CloudBackups | None = always(None, description="A bucket for backups.")
    tags: dict[TagKey, TagValue] = always(
        default_factory=dict, max_length=40, description="Tags of everything that is made."
    )


class AwsDisk(Model):
    """A host's disk; always encrypted."""

    size: Memory = never("50Gi", description="Counted in whole GiB.")
    type: Literal["gp3", "io2"] = never("gp3", description="EBS volume type.")
    iops: Annotated[int, Field(ge=3000, le=64000)] | None = never(None, description="Unset: what comes with the type.")


class AwsVolume(AwsDisk, Volume):
    """One more disk of a host; always encrypted."""


class AwsHosts(CloudHosts):
    """A group of equal instances, named `<name>-1` and on; spread over `zones` in turn."""

    zones: tuple[Zone, ...] = never(
        ("a", "b", "c"), min_length=1, description="Letters of zones; the hosts are spread over these in turn."
    )
    instance_type: InstanceType = never("m7i.large", description="An x86-64 type.")
    disk: AwsDisk = never(default_factory=AwsDisk, description="The disk of each host.")
    volumes: tuple[AwsVolume, ...] = never((), description="More disks of each host, each for a directory.")


class AwsRegion(CloudRegion):
    """A region on AWS."""

    provider: AwsProvider = always(description="Who provides the hosts.")
    hosts: tuple[AwsHosts, ...] = always(min_length=1, description="Groups of equal hosts.")

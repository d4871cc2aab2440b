"""A region on Azure: its network, who may come in, images, virtual machines and their disks."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, StringConstraints, Tag

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

_RESERVED: Final = ("microsoft", "azure", "windows")  # how no tag's name may begin

ZONE_PATTERN: Final = r"^[1-3]$"
LOCATION_PATTERN: Final = r"^[a-z]+[0-9]?$"
SIZE_PATTERN: Final = r"^Standard_[A-Z]+[0-9]+[A-Za-z0-9_-]*$"
SUBSCRIPTION_PATTERN: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_IN_GROUP: Final = r"^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers"
SUBNET_PATTERN: Final = _IN_GROUP + r"/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+$"
IMAGE_PATTERN: Final = _IN_GROUP + r"/Microsoft\.Compute/(images/[^/]+|galleries/[^/]+/images/[^/]+(/versions/[^/]+)?)$"
TAG_KEY_PATTERN: Final = r"^[^<>%&\\?/]*$"

Zone = Annotated[str, StringConstraints(pattern=ZONE_PATTERN)]
Location = Annotated[str, StringConstraints(pattern=LOCATION_PATTERN)]
Size = Annotated[str, StringConstraints(pattern=SIZE_PATTERN)]
SubscriptionId = Annotated[str, StringConstraints(pattern=SUBSCRIPTION_PATTERN)]
SubnetId = Annotated[str, StringConstraints(pattern=SUBNET_PATTERN)]
ImageId = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN)]


def _no_reserved_tag(key: str) -> str:
    if key.lower().startswith(_RESERVED):
        raise ValueError(f"begins with a word that is reserved by Azure: {', '.join(_RESERVED)}")
    return key


TagKey = Annotated[
    str, StringConstraints(pattern=TAG_KEY_PATTERN, min_length=1, max_length=128), AfterValidator(_no_reserved_tag)
]
TagValue = Annotated[str, StringConstraints(max_length=256)]


class AzureOwnNetwork(CloudNetwork):
    """A network of the region's own: a subnet for hosts and one for the bastion, both in all zones."""

    cidr: DivisibleNetwork = never(
        IPv4Network("10.64.0.0/16"),
        description="Of a network of its own; hosts get its first half, the bastion its last sixteenth.",
    )
    nat: Literal["none", "one"] = always(
        "one", description="Whether hosts without public addresses have a gateway to the internet."
    )


class AzureExistingNetwork(Model):
    """A network that is there already, by its subnets; nothing of it is changed."""

    subnet: SubnetId = never(
        description="Where hosts are made: a subnet that exists, in place of a network of its own."
    )
    bastion_subnet: SubnetId | None = always(
        None, description="Where the bastion is made: a subnet of the same network."
    )


def _which(value: Any) -> str:
    existing = isinstance(value, AzureExistingNetwork) or (isinstance(value, dict) and "subnet" in value)
    return "existing" if existing else "own"


Network = Annotated[
    Annotated[AzureOwnNetwork, Tag("own")] | Annotated[AzureExistingNetwork, Tag("existing")], Discriminator(_which)
]


class AzureAccess(CloudAccess):
    """Who comes in."""

    bastion_size: Size = always("Standard_B1s", description="The bastion's size.")


class AzureImage(Model):
    """What hosts are made from; those that are there keep theirs."""

    family: Family = always("debian-13", description="The newest image of its maker, for hosts made from now on.")
    id: ImageId | None = always(None, description="This image instead; it must know cloud-init.")


class AzureProvider(Model):
    """Virtual machines of Azure."""

    kind: Literal["azure"] = never(description="Hosts on Azure.")
    location: Location = never(description="Azure's name of the region, such as `westeurope`; one that has zones.")
    subscription: SubscriptionId | None = never(None, description="Its id; unset: that of the credentials.")
    network: Network = never(
        default_factory=AzureOwnNetwork, description="Its network: of its own, or one that exists."
    )
    access: AzureAccess = always(description="Who may come in.")
    image: AzureImage = always(default_factory=AzureImage, description="What hosts are made from.")
    backups: CloudBackups | None = always(None, description="A storage account with a container for backups.")
    locks: bool = always(
        True,
        description="Managers are locked against deletion by hand; takes the right to make locks and take them off.",
    )
    tags: dict[TagKey, TagValue] = always(
        default_factory=dict, max_length=40, description="Tags of everything that is made."
    )


class AzureDisk(Model):
    """A host's disk; encrypted always, with keys of Azure's."""

    size: Memory = never("64Gi", description="Counted in whole GiB; what it can do comes with its size.")
    type: Literal["Premium_LRS", "StandardSSD_LRS"] = never("Premium_LRS", description="Kind of the managed disk.")


class AzureVolume(AzureDisk, Volume):
    """One more disk of a host; encrypted always, with keys of Azure's."""


class AzureHosts(CloudHosts):
    """A group of equal virtual machines, named `<name>-1` and on; spread over `zones` in turn."""

    zones: tuple[Zone, ...] = never(
        ("1", "2", "3"), min_length=1, description="Zones, in quotes; the hosts are spread over these in turn."
    )
    size: Size = never("Standard_D2s_v5", description="An x86-64 size.")
    disk: AzureDisk = never(default_factory=AzureDisk, description="The disk of each host.")
    volumes: tuple[AzureVolume, ...] = never((), description="More disks of each host, each for a directory.")
    encryption_at_host: bool = never(
        False, description="Caches too are encrypted; a feature that the subscription has to have registered."
    )


class AzureRegion(CloudRegion):
    """A region on Azure."""

    provider: AzureProvider = always(description="Who provides the hosts.")
    hosts: tuple[AzureHosts, ...] = always(min_length=1, description="Groups of equal hosts.")

"""A region on Google Cloud: its project and network, who may come in, images, instances and their disks."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag

from installer.spec.base import Model, always, never
from installer.spec.cloud import CloudAccess, CloudBackups, CloudHosts, CloudNetwork, CloudRegion, Volume
from installer.spec.quantity import Memory

PROJECT_PATTERN: Final = r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"
REGION_PATTERN: Final = r"^[a-z]+-[a-z]+[0-9]{1,2}$"
ZONE_PATTERN: Final = r"^[a-f]$"
MACHINE_TYPE_PATTERN: Final = r"^[a-z][0-9][a-z0-9]*-[a-z0-9-]+$"
SUBNET_PATTERN: Final = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
IMAGE_PATTERN: Final = r"^projects/[a-z0-9.:-]+/global/images/(family/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
GPU_PATTERN: Final = r"^nvidia-[a-z0-9-]+$"
# https://cloud.google.com/compute/docs/labeling-resources
LABEL_KEY_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,62}$"
LABEL_VALUE_PATTERN: Final = r"^[a-z0-9_-]{0,63}$"

Zone = Annotated[str, StringConstraints(pattern=ZONE_PATTERN)]
MachineType = Annotated[str, StringConstraints(pattern=MACHINE_TYPE_PATTERN)]


def _no_reserved_label(key: str) -> str:
    if key.startswith("goog"):
        raise ValueError("is reserved by Google")
    return key


LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN), AfterValidator(_no_reserved_label)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE_PATTERN)]


class GcpOwnNetwork(CloudNetwork):
    """A network of the region's own, with one subnet; Google's subnets reach over all zones."""

    nat: Literal["none", "region"] = always(
        "region", description="A gateway for hosts without public addresses, or none; it reaches over all zones."
    )


class GcpExistingNetwork(Model):
    """A subnet that is there already, and its network; rules for our own hosts are added to that."""

    subnet: Annotated[str, StringConstraints(pattern=SUBNET_PATTERN)] = never(
        description="A subnet of the region and project that exists, in place of one of its own."
    )


def _which(value: Any) -> str:
    existing = isinstance(value, GcpExistingNetwork) or (isinstance(value, dict) and "subnet" in value)
    return "existing" if existing else "own"


Network = Annotated[
    Annotated[GcpOwnNetwork, Tag("own")] | Annotated[GcpExistingNetwork, Tag("existing")], Discriminator(_which)
]


class GcpAccess(CloudAccess):
    """Who comes in."""

    bastion_type: MachineType = always("e2-micro", description="The bastion's machine type.")


class GcpImage(Model):
    """What hosts are made from; those that are there keep theirs. Google's images of Debian lack cloud-init."""

    family: Literal["ubuntu-24.04", "ubuntu-22.04"] = always(
        "ubuntu-24.04", description="The newest image of its maker, for hosts made from now on."
    )
    name: Annotated[str, StringConstraints(pattern=IMAGE_PATTERN)] | None = always(
        None, description="`projects/P/global/images/I` or `.../images/family/F` instead; it must know cloud-init."
    )


class GcpProvider(Model):
    """Instances of Google Compute Engine."""

    kind: Literal["gcp"] = never(description="Hosts on Google Cloud.")
    project: Annotated[str, StringConstraints(pattern=PROJECT_PATTERN)] = never(description="The project's id.")
    region: Annotated[str, StringConstraints(pattern=REGION_PATTERN)] = never(
        description="Google's name of the region, such as `europe-west3`."
    )
    network: Network = never(default_factory=GcpOwnNetwork, description="Its network: of its own, or one that exists.")
    access: GcpAccess = always(description="Who may come in.")
    image: GcpImage = always(default_factory=GcpImage, description="What hosts are made from.")
    backups: CloudBackups | None = always(None, description="A bucket for backups.")
    labels: dict[LabelKey, LabelValue] = always(
        default_factory=dict, max_length=40, description="Labels of everything that is made and can have some."
    )


class GcpDisk(Model):
    """A host's disk; always encrypted."""

    size: Memory = never("50Gi", description="Counted in whole GiB.")
    type: Literal["pd-balanced", "pd-ssd", "hyperdisk-balanced"] = never(
        "pd-balanced", description="What a machine type takes differs: `n4` and `c4`, for example, only hyperdisks."
    )
    iops: Annotated[int, Field(ge=3000, le=160000)] | None = never(
        None, description="Of hyperdisks; unset: what comes with the size."
    )


class GcpVolume(GcpDisk, Volume):
    """One more disk of a host; always encrypted."""


class GcpGpu(Model):
    """Accelerators of a machine."""

    type: Annotated[str, StringConstraints(pattern=GPU_PATTERN)] = never(
        description="Google's name of it, such as `nvidia-tesla-t4`."
    )
    count: Annotated[int, Field(ge=1, le=16)] = never(1, description="How many; types allow certain numbers.")


class GcpHosts(CloudHosts):
    """A group of equal instances, named `<name>-1` and on; spread over `zones` in turn."""

    zones: tuple[Zone, ...] = never(
        ("a", "b", "c"), min_length=1, description="Letters of zones; the hosts are spread over these in turn."
    )
    machine_type: MachineType = never("n2-standard-2", description="An x86-64 type.")
    disk: GcpDisk = never(default_factory=GcpDisk, description="The disk of each host.")
    volumes: tuple[GcpVolume, ...] = never((), description="More disks of each host, each for a directory.")
    gpu: GcpGpu | None = never(
        None, description="Of machines of type `n1`, for dedicated hosts; other types that have some come with them."
    )


class GcpRegion(CloudRegion):
    """A region on Google Cloud."""

    provider: GcpProvider = always(description="Who provides the hosts.")
    hosts: tuple[GcpHosts, ...] = always(min_length=1, description="Groups of equal hosts.")

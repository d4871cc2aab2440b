"""What regions of all clouds have in common: who may come in, a network's size, groups of hosts, backups."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from installer.spec.base import ROLES, Labels, Model, Name, Role, always, never
from installer.spec.region import AnyRegion

WIDEST: Final = 8  # of a range that may log in; what is wider is everybody by another name
LARGEST, SMALLEST = 16, 24  # of a network: AWS' own limit, and sixteen subnets of a useful size
Family = Literal["debian-13", "debian-12", "ubuntu-24.04", "ubuntu-22.04"]

Mount = Literal["/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/moorage"]

PUBLIC_KEY_PATTERN: Final = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+( [^\n]*)?$"
PublicKey = Annotated[str, StringConstraints(pattern=PUBLIC_KEY_PATTERN)]


def _for_known_people(network: IPv4Network) -> IPv4Network:
    if network.prefixlen < WIDEST:
        raise ValueError(f"is open to (nearly) everybody; SSH is for known addresses: a /{WIDEST} or smaller")
    return network


def _divisible(network: IPv4Network) -> IPv4Network:
    if not LARGEST <= network.prefixlen <= SMALLEST:
        raise ValueError(f"must be between a /{LARGEST} and a /{SMALLEST}")
    return network


Sources = Annotated[IPv4Network, AfterValidator(_for_known_people)]
DivisibleNetwork = Annotated[IPv4Network, AfterValidator(_divisible)]


class CloudNetwork(Model):
    """A network of the region's own. Clouds say how it is divided."""

    cidr: DivisibleNetwork = never(IPv4Network("10.64.0.0/16"), description="Of a network of its own.")


class CloudAccess(Model):
    """Who comes in."""

    sources: tuple[Sources, ...] = always(
        min_length=1, description="Who may log in: to the bastion, or to public hosts and their manager's API."
    )
    public: bool = never(False, description="Hosts have public addresses, and there is no bastion.")
    published: tuple[IPv4Network, ...] = always(
        (), description="Who may reach clusters' ports (`spec.manager.network.ports`), besides through the bastion."
    )
    joined: tuple[Sources, ...] = always(
        (),
        description="Networks of other regions, which peering or a VPN joins: their hosts reach these as these reach"
        " each other.",
    )
    cluster_balancer: Literal["none", "internal", "public"] = always(
        "none",
        description="By what those reach clusters' ports: hosts' own addresses, a balancer before the managers with an"
        " address in the network, or one that the internet has a way to.",
    )
    keys: tuple[PublicKey, ...] = always(
        (), description="SSH keys that may log in besides Moorage's own, at machines that are made from now on."
    )


class CloudBackups(Model):
    """A place for backups that the managers, and nobody else, can use."""

    keep: bool = always(True, description="It, and what is in it, outlives the platform.")


class CloudHosts(Model):
    """A group of equal machines, named `<name>-1` and on; spread over `zones` in turn."""

    name: Name = never(description="The group's name; its hosts are `<name>-1`, `<name>-2` and on.")
    role: Role = never(description=ROLES)
    count: Annotated[int, Field(ge=0, le=200)] = always(1, description="How many hosts.")
    zones: tuple[str, ...] = never(min_length=1, description="The hosts are spread over these in turn.")
    labels: Labels = always(default_factory=dict, description="Labels of the hosts' nodes in the manager.")
    spot: bool = never(False, description="Cheaper, and may be taken back at any time; not for managers.")
    volumes: Sequence[Volume] = never((), description="More disks of each host, each for a directory.")


class Volume(Model):
    """One more disk of a host, at one of the directories that grow: each cloud says what kinds of disks there are."""

    mount: Mount = never(
        description="What it is for: images, the manager's etcd, pods and their volumes, or volumes and data of"
        " clusters. It is made a file system (ext4) where it has none."
    )


class CloudRegion(AnyRegion):
    """A region in a cloud: each cloud has a provider and hosts of its own."""

    provider: Any = always(description="Who provides the hosts.")
    hosts: Sequence[CloudHosts] = always(min_length=1, description="Groups of equal hosts.")

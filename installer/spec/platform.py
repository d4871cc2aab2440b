"""`kind: Platform`: regions, hosts, one manager."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from installer.spec.aws import AwsRegion
from installer.spec.azure import AzureRegion
from installer.spec.base import ROLES, Labels, Metadata, Model, Name, Role, always, never
from installer.spec.gcp import GcpRegion
from installer.spec.quantity import Bandwidth, Cpu, Duration, Memory
from installer.spec.reference import Reference
from installer.spec.report import Report
from installer.spec.windows import Window

_SHARE: Final = re.compile(r"([1-9]\d?|100)%")


class LocalProvider(Model):
    """Hosts on this machine: systemd in containers, on a network that nothing leaves."""

    kind: Literal["local"] = never(description="Hosts on this machine.")


class LocalHosts(Model):
    """A group of equal local hosts, named `<name>-1` and on; spread over `zones` in turn."""

    name: Name = never(description="The group's name; its hosts are `<name>-1`, `<name>-2` and on.")
    role: Role = never(description=ROLES)
    count: Annotated[int, Field(ge=0, le=200)] = always(1, description="How many hosts.")
    zones: tuple[Name, ...] = never(("a",), min_length=1, description="The hosts are spread over these in turn.")
    labels: Labels = always(default_factory=dict, description="Labels of the hosts' nodes in the manager.")
    cpu: Cpu | None = always(None, description="Limit of each host; unset: all of this machine.")
    memory: Memory | None = always(None, description="Limit of each host; unset: all of this machine.")


class Bastion(Model):
    """A host through which the others are reached."""

    address: str = always(description="Where SSH reaches it.")
    port: Annotated[int, Field(ge=1, le=65535)] = always(22, description="Its SSH port.")
    user: str = always("root", description="Who logs in there; needs no rights but to pass through.")
    host_key: str | None = always(None, description="`ssh-ed25519 AAAA...` or `SHA256:...`.")


class SshAccess(Model):
    """How hosts are logged in to; what a host says itself comes first."""

    user: str = always("root", description="root, or a user that may use sudo.")
    port: Annotated[int, Field(ge=1, le=65535)] = always(22, description="The hosts' SSH port.")
    key: Reference | None = always(None, description="Private key; unset: the SSH agent.")
    sudo_password: Reference | None = always(None, description="Only where sudo asks for one.")
    bastion: Bastion | None = always(None, description="A host through which all others are reached.")
    bandwidth: Bandwidth | None = always(
        None, description="What bundles that are sent there may take of the link, such as `10Mbit` (a second)."
    )


class OnPremProvider(Model):
    """Hosts that exist already."""

    kind: Literal["onprem"] = never(description="Hosts that exist already.")
    ssh: SshAccess = always(default_factory=SshAccess, description="How the hosts are logged in to.")


class OnPremHost(Model):
    """One host by address."""

    name: Name = never(description="The host's name; also its node's in the manager.")
    role: Role = never(description=ROLES)
    address: str = never(description="Where SSH reaches it.")
    cluster_address: IPv4Address | None = never(
        None, description="Its address among the hosts; unset: `address`, which must then be an IPv4 address."
    )
    host_key: str | None = always(
        None, description="`ssh-ed25519 AAAA...` or `SHA256:...`; unset: shown, never accepted."
    )
    user: str | None = always(None, description="In place of the region's.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = always(None, description="In place of the region's.")
    zone: Name = never("a", description="Hosts of one zone may fail together.")
    labels: Labels = always(default_factory=dict, description="Labels of its node in the manager.")


class Inventory(Model):
    """Where hosts are listed: `{file: hosts.csv}` or `{command: [./list-hosts, --json]}`."""

    file: str | None = always(
        None,
        description="A table (`.csv`, its first line the keys of a host, labels as `a=b;c=d`), or a list in JSON or"
        " YAML; relative to the specification.",
    )
    command: tuple[str, ...] | None = always(
        None, min_length=1, description="A program, run beside the specification, that prints such a list."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Inventory:
        if (self.file is None) == (self.command is None):
            raise ValueError("give either file or command")
        return self


class LocalRegion(Model):
    """A region on this machine."""

    name: Name = never(description="The region's name; a label of its nodes.")
    provider: LocalProvider = never(description="Who provides the hosts.")
    hosts: tuple[LocalHosts, ...] = always(min_length=1, description="Groups of equal hosts.")


class OnPremRegion(Model):
    """A region of hosts that exist already."""

    name: Name = never(description="The region's name; a label of its nodes.")
    provider: OnPremProvider = always(description="Who provides the hosts.")
    hosts: tuple[OnPremHost, ...] = always((), description="The hosts, one by one.")
    inventory: Inventory | None = always(None, description="More hosts, or all of them, from elsewhere.")

    @model_validator(mode="after")
    def _has_hosts(self) -> OnPremRegion:
        if not self.hosts:
            raise ValueError("needs hosts, or an inventory of them")
        return self


def _kind(value: Any) -> str | None:
    provider = value.get("provider") if isinstance(value, dict) else getattr(value, "provider", None)
    kind = provider.get("kind") if isinstance(provider, dict) else getattr(provider, "kind", None)
    return kind if isinstance(kind, str) else None


Region = Annotated[
    Annotated[LocalRegion, Tag("local")]
    | Annotated[OnPremRegion, Tag("onprem")]
    | Annotated[AwsRegion, Tag("aws")]
    | Annotated[AzureRegion, Tag("azure")]
    | Annotated[GcpRegion, Tag("gcp")],
    Discriminator(
        _kind,
        custom_error_type="provider_kind",
        custom_error_message="must be one of: local, onprem, aws, azure, gcp",
    ),
]


class ManagerNetwork(Model):
    """Address ranges of the manager, and how its hosts are joined; a cluster's own ranges must not overlap them."""

    pods: IPv4Network = never(IPv4Network("10.128.0.0/14"), description="Its pods; a /24 for each host.")
    services: IPv4Network = never(IPv4Network("10.127.0.0/16"), description="Its services; the tenth address is DNS.")
    domain: str = never("manager.local", description="Its DNS domain.")
    ports: tuple[Annotated[int, Field(ge=1024, le=65535)], Annotated[int, Field(ge=1024, le=65535)]] = never(
        (30000, 32767), description="Ports on every host from which clusters' API endpoints are taken."
    )
    between: Literal["existing", "wireguard"] = never(
        "existing",
        description="What pods' packets pass over between hosts, of one region or of several: `existing`, the network"
        " that is there (routes, peering, a VPN), as it is; `wireguard`, the same, encrypted.",
    )


class Manager(Model):
    """The management Kubernetes cluster."""

    network: ManagerNetwork = never(default_factory=ManagerNetwork, description="Address ranges and ports.")
    extra_names: tuple[str, ...] = always((), description="More names and addresses in the API server's certificate.")


def _share(value: Any) -> Any:
    if isinstance(value, str) and not _SHARE.fullmatch(value):
        raise ValueError("not a number or a share such as 10%")
    return value


class Canary(Model):
    """The first host of a role proves itself on a new release before others follow; if it does not, it goes back."""

    bake: Duration = always("5m", description="For how long it must run without fault.")
    check: str | None = always(
        None,
        description="A program of yours beside the specification, run here after that; its exit code 0 means well. It"
        " is told `MOORAGE_PLATFORM`, `MOORAGE_HOST`, `MOORAGE_ADDRESS` and `MOORAGE_RELEASE`.",
    )
    confirm: bool = always(False, description="Then stop; others follow once somebody says `moorage plan resume`.")


class Upgrades(Model):
    """How hosts that serve are changed."""

    max_unavailable: Annotated[Annotated[int, Field(ge=1)] | str, BeforeValidator(_share)] = always(
        1, description="How many workers are changed at a time: a number, or a share of all such as `10%`."
    )
    drain_timeout: Duration = always(
        "10m", description="How long a worker may take to get empty; then it is left as it was, and the run stops."
    )
    force_drain: bool = always(
        False, description="After `drainTimeout`, delete what is left there, whatever budgets say, and go on."
    )
    canary: Canary | None = always(None, description="Let the first manager and the first worker prove themselves.")
    windows: tuple[Window, ...] = always(
        (), description="When hosts and clusters that serve may be changed; none: at any time."
    )


class Certificates(Model):
    """How long certificates live: those on hosts, and those of clusters' control planes and nodes."""

    days: Annotated[int, Field(ge=1, le=3650)] = always(
        365, description="Those that are issued from now on; ones that live longer are issued anew."
    )
    authority_days: Annotated[int, Field(ge=2, le=36500)] = always(
        3650, description="Authorities that are made from now on: of a new platform or cluster, and by `certs rotate`."
    )

    @model_validator(mode="after")
    def _outlive(self) -> Certificates:
        if self.authority_days <= self.days:
            raise ValueError("authorityDays must be more than days: no certificate outlives its authority")
        return self


class PlatformSpec(Model):
    """What a platform consists of."""

    release: str = always(description="A release of `moorage bundle list`, such as 2026.11.")
    regions: tuple[Region, ...] = always(min_length=1, description="Where hosts are.")
    manager: Manager = always(default_factory=Manager, description="The cluster that hosts all others.")
    upgrades: Upgrades = always(default_factory=Upgrades, description="How hosts that serve are changed.")
    certificates: Certificates = always(default_factory=Certificates, description="How long certificates live.")
    report: Report = always(default_factory=Report, description="What `moorage report density` compares with.")


class Platform(Model):
    """One platform."""

    api_version: Literal["moorage.dev/v1"]
    kind: Literal["Platform"]
    metadata: Metadata
    spec: PlatformSpec

    @property
    def name(self) -> str:
        return self.metadata.name

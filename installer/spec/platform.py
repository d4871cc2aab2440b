"""`kind: Platform`: regions, hosts, one manager."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from installer.spec.base import Labels, Metadata, Model, Name, always, never
from installer.spec.quantity import Cpu, Memory
from installer.spec.reference import Reference

Role = Literal["manager", "worker"]


class LocalProvider(Model):
    """Hosts on this machine: systemd in containers, on a network that nothing leaves."""

    kind: Literal["local"] = never()


class LocalHosts(Model):
    """A group of equal local hosts, named `<name>-1` and on; spread over `zones` in turn."""

    name: Name = never()
    role: Role = never()
    count: Annotated[int, Field(ge=0, le=200)] = always(1)
    zones: tuple[Name, ...] = never(("a",), min_length=1)
    labels: Labels = always(default_factory=dict)
    cpu: Cpu | None = always(None, description="Limit; unset: all of this machine.")
    memory: Memory | None = always(None, description="Limit; unset: all of this machine.")


class Bastion(Model):
    """A host through which the others are reached."""

    address: str = always()
    port: Annotated[int, Field(ge=1, le=65535)] = always(22)
    user: str = always("root")
    host_key: str | None = always(None, description="`ssh-ed25519 AAAA...` or `SHA256:...`")


class SshAccess(Model):
    """How hosts are logged in to; what a host says itself comes first."""

    user: str = always("root")
    port: Annotated[int, Field(ge=1, le=65535)] = always(22)
    key: Reference | None = always(None, description="Private key; unset: the SSH agent.")
    sudo_password: Reference | None = always(None, description="Only where sudo asks for one.")
    bastion: Bastion | None = always(None)


class OnPremProvider(Model):
    """Hosts that exist already."""

    kind: Literal["onprem"] = never()
    ssh: SshAccess = always(default_factory=SshAccess)


class OnPremHost(Model):
    """One host by address."""

    name: Name = never()
    role: Role = never()
    address: str = never(description="Where SSH reaches it.")
    cluster_address: IPv4Address | None = never(
        None, description="Its address among the hosts; unset: `address`, which must then be an IPv4 address."
    )
    host_key: str | None = always(
        None, description="`ssh-ed25519 AAAA...` or `SHA256:...`; unset: shown, never accepted."
    )
    user: str | None = always(None)
    port: Annotated[int, Field(ge=1, le=65535)] | None = always(None)
    zone: Name = never("a")
    labels: Labels = always(default_factory=dict)


class LocalRegion(Model):
    """A region on this machine."""

    name: Name = never()
    provider: LocalProvider = never()
    hosts: tuple[LocalHosts, ...] = always(min_length=1)


class OnPremRegion(Model):
    """A region of hosts that exist already."""

    name: Name = never()
    provider: OnPremProvider = always()
    hosts: tuple[OnPremHost, ...] = always(min_length=1)


def _kind(value: Any) -> str | None:
    provider = value.get("provider") if isinstance(value, dict) else getattr(value, "provider", None)
    kind = provider.get("kind") if isinstance(provider, dict) else getattr(provider, "kind", None)
    return kind if isinstance(kind, str) else None


Region = Annotated[
    Annotated[LocalRegion, Tag("local")] | Annotated[OnPremRegion, Tag("onprem")],
    Discriminator(
        _kind,
        custom_error_type="provider_kind",
        custom_error_message="must be one of: local, onprem",
    ),
]


class ManagerNetwork(Model):
    """Address ranges of the manager; a cluster's own ranges must not overlap them."""

    pods: IPv4Network = never(IPv4Network("10.128.0.0/14"))
    services: IPv4Network = never(IPv4Network("10.127.0.0/16"))
    domain: str = never("manager.local")
    ports: tuple[Annotated[int, Field(ge=1024, le=65535)], Annotated[int, Field(ge=1024, le=65535)]] = never(
        (30000, 32767), description="Ports on every host from which clusters' API endpoints are taken."
    )


class Manager(Model):
    """The management Kubernetes cluster."""

    network: ManagerNetwork = never(default_factory=ManagerNetwork)
    extra_names: tuple[str, ...] = always((), description="More names and addresses in the API server's certificate.")


class PlatformSpec(Model):
    """What a platform consists of."""

    release: str = always(description="A release of `moorage bundle list`, such as 2026.11.")
    regions: tuple[Region, ...] = always(min_length=1)
    manager: Manager = always(default_factory=Manager)


class Platform(Model):
    """One platform."""

    api_version: Literal["moorage.dev/v1"]
    kind: Literal["Platform"]
    metadata: Metadata
    spec: PlatformSpec

    @property
    def name(self) -> str:
        return self.metadata.name

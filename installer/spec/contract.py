"""What every stack exports, whatever the provider: the hosts of a region, ready for SSH."""

from __future__ import annotations

from ipaddress import IPv4Address

from pydantic import Field

from installer.spec.base import Labels, Model, Role


class JumpOutput(Model):
    """A host to pass through."""

    address: str
    port: int = 22
    user: str = "root"
    host_key: str


class BastionOutput(JumpOutput):
    """The last one before the hosts, and those before it, the first of the way first."""

    through: tuple[JumpOutput, ...] = ()


class HostOutput(Model):
    """One host. `host_key` is pinned: `ssh-ed25519 AAAA...`."""

    name: str
    role: Role
    region: str
    zone: str
    address: str
    cluster_address: IPv4Address
    port: int = 22
    user: str = "root"
    host_key: str
    labels: Labels = Field(default_factory=dict)
    machine_id: str = ""
    arch: str = "amd64"
    bastion: BastionOutput | None = None


class RegionOutputs(Model):
    """All that a region's stack tells the installer."""

    region: str
    provider: str
    hosts: tuple[HostOutput, ...]
    endpoint: str | None = None  # address of a load balancer for the manager's API, where the stack makes one
    cluster_endpoint: str | None = None  # the same for ports of clusters


SECRETS_VARIABLE = "MOORAGE_STACK_SECRETS"  # settings that must not be in a file, for a stack: JSON, name -> text

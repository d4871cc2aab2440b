"""What the controller knows of its platform: written by the installer into the manager, read by the controller."""

from __future__ import annotations

from ipaddress import IPv4Network

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class PlatformSettings(BaseModel):
    """One document; a change of it restarts the controller."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )

    platform: str
    release: str
    bundle: str  # digest: the directory below layout.RELEASES
    images: dict[str, str]  # name in the bundle -> reference
    speaker: str  # sha256 of MetalLB's speaker in the bundle
    manager_version: str  # Kubernetes, without a leading v
    versions: tuple[str, ...]  # of Kubernetes, offered to clusters
    pods: IPv4Network
    services: IPv4Network
    domain: str
    managers: int  # hosts of the role
    workers: int
    endpoints: tuple[str, ...]  # where users reach ports of the hosts, the best first; also in clusters' certificates
    cgroup_version: int  # the lowest of all hosts
    pod_mtu: int  # of the manager's pods, as the hosts with the smallest packets allow
    certificate_days: int  # how long certificates live
    authority_days: int  # how long authorities do that are made from now on
    authorities: str  # digest of those of the manager that are trusted: who reads them at start starts anew

    @classmethod
    def from_json(cls, text: str) -> PlatformSettings:
        """Read what `to_json` wrote; raises pydantic.ValidationError."""
        return cls.model_validate_json(text)

    def to_json(self) -> str:
        """The document."""
        return self.model_dump_json(indent=2) + "\n"

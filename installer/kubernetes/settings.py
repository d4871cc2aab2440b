"""What the controller knows of its platform: written by the installer into the manager, read by the controller."""

from __future__ import annotations

from ipaddress import IPv4Network

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

_CONFIG = ConfigDict(
    frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
)


class RegionSettings(BaseModel):
    """One region of the platform."""

    model_config = _CONFIG

    managers: int  # hosts of the role there
    carries: bool  # whether node pods can be there
    grace_s: float  # how long what is there waits when the region is cut off as a whole


class PlatformSettings(BaseModel):
    """One document; a change of it restarts the controller."""

    model_config = _CONFIG

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
    regions: dict[str, RegionSettings]
    endpoints: tuple[str, ...]  # where users reach ports of the hosts, the best first; also in clusters' certificates
    cgroup_version: int  # the lowest of all hosts
    pod_mtu: int  # of the manager's pods, as the hosts with the smallest packets allow
    certificate_days: int  # how long certificates live
    authority_days: int  # how long authorities do that are made from now on
    authorities: str  # digest of those of the manager that are trusted: who reads them at start starts anew

    @property
    def graces(self) -> dict[str, float]:
        """For how many seconds each region may be cut off."""
        return {name: region.grace_s for name, region in self.regions.items()}

    @classmethod
    def from_json(cls, text: str) -> PlatformSettings:
        """Read what `to_json` wrote; raises pydantic.ValidationError."""
        return cls.model_validate_json(text)

    def to_json(self) -> str:
        """The document."""
        return self.model_dump_json(indent=2) + "\n"

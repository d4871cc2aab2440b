"""Releases: immutable lists of component versions, and the releases they can be reached from."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from installer.core.errors import BundleError
from installer.core.version import Version

ARCHITECTURES: Final = ("amd64", "arm64")


def _version(value: Any) -> str:
    return str(Version.parse(str(value)))


VersionText = Annotated[str, BeforeValidator(_version)]


class Model(BaseModel):
    """Data we ship: frozen, and a misspelt key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesVersions(Model):
    """Versions without a leading v."""

    manager: VersionText
    clusters: tuple[VersionText, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every version once, oldest first."""
        return tuple(sorted({self.manager, *self.clusters}, key=Version.parse))


class Components(Model):
    """What every host and cluster has one version of."""

    etcd: VersionText
    containerd: VersionText
    runc: VersionText
    cni: VersionText
    flannel: VersionText
    coredns: VersionText
    metrics_server: VersionText = Field(alias="metrics-server")
    metallb: VersionText


class Release(Model):
    """One release, as its file says."""

    name: str
    reached_from: tuple[str, ...] = Field(alias="from")
    kubernetes: KubernetesVersions
    components: Components
    debian: str


@cache
def releases() -> tuple[Release, ...]:
    """All releases this version of Moorage knows, oldest first."""
    files = (f for f in (resources.files(__package__) / "releases").iterdir() if f.name.endswith(".yaml"))
    found = [_parse(file.name, file.read_text()) for file in files]
    return tuple(sorted(found, key=lambda release: Version.parse(release.name)))


def load_release(name: str) -> Release:
    """The release called `name`; raises BundleError that lists those there are."""
    for release in releases():
        if release.name == name:
            return release
    known = ", ".join(release.name for release in releases())
    raise BundleError(f"there is no release {name}", hint=f"set spec.release to one of: {known}")


def _parse(file: str, text: str) -> Release:
    try:
        return Release.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as exc:
        raise BundleError(f"the release file {file} is malformed: {exc}", hint="install Moorage again") from exc

"""Components: for each program of a release, how it is built from source and where its official build is."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

import yaml
from pydantic import Field

from installer.bundle.release import Model, Release
from installer.core.version import Version

PARTS: Final = "parts/"  # outputs below it only go into an image


class Cgo(Model):
    """What a build with C parts needs beside gcc: program, or library known to pkg-config -> Debian package."""

    programs: dict[str, str] = Field(default_factory=dict)
    libraries: dict[str, str] = Field(default_factory=dict)


class Source(Model):
    """A Go module of ours that pins everything, and the packages in it that become programs."""

    module: str  # directory below programs/ with go.mod and go.sum
    packages: dict[str, str]  # path of the output -> Go package
    tests: dict[str, str] = Field(default_factory=dict)  # the same, for programs that run the tests of a package
    cgo: Cgo | None = None
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)  # Go variables that the linker sets


class Upstream(Model):
    """Official builds: one archive that holds all outputs by their file names, or with {file} one file each."""

    url: str
    checksums: str  # upstream's own checksum file, which `moorage bundle pin` reads


class Component(Model):
    """One component at one version, for one architecture; all templates are filled in but {file}."""

    name: str
    version: str
    title: str
    seconds: float  # of a cold build on two cores
    source: Source
    upstream: Upstream | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*self.source.packages, *self.source.tests)


def components(release: Release, *, arch: str) -> tuple[Component, ...]:
    """Every component of `release`, the quick ones first."""
    versions = release.components
    wanted = [
        ("pause", ""),
        ("moorage-host", ""),
        ("moorage-datastore", ""),
        ("etcd", versions.etcd),
        ("containerd", versions.containerd),
        ("runc", versions.runc),
        ("cni", versions.cni),
        ("flannel", versions.flannel),
        ("coredns", versions.coredns),
        ("metrics-server", versions.metrics_server),
        ("metallb", versions.metallb),
        *(("kubernetes", version) for version in release.kubernetes.all),
    ]
    return tuple(component(name, version, arch=arch) for name, version in wanted)


def component(name: str, version: str, *, arch: str) -> Component:
    """The component `name` at `version`; without a version, it is one of our own programs."""
    values = {"version": version, "arch": arch, "file": "{file}"}
    if version:
        parsed = Version.parse(version)
        values |= {"major": str(parsed.major), "minor": str(parsed.minor)}
    data = _filled(_entries()[name], values)
    data["title"] = f"{data['title']} {version}".strip()
    return Component.model_validate({"name": name, "version": version, **data})


def _filled(data: Any, values: dict[str, str]) -> Any:
    if isinstance(data, str):
        return data.format_map(values)
    if isinstance(data, dict):
        return {_filled(key, values): _filled(value, values) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(item, values) for item in data]
    return data


@cache
def _entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = yaml.safe_load((resources.files(__package__) / "components.yaml").read_text())
    return entries

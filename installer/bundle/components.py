"""Components: for each program of a release, how it is built from source and where its official build is."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BeforeValidator

from installer.bundle.release import Model, Release
from installer.core.version import Version

IMAGE_CONTENT = "images/"  # outputs below images/<name>/ go into our image of that name, not into the bundle themselves


class Source(Model):
    """A Go module of ours that pins everything, and the packages in it that become programs."""

    module: str  # directory beside this file with go.mod and go.sum
    packages: dict[str, str]  # path of the output -> Go package
    cgo: bool = False
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = {}  # Go variables that the linker sets
    debian: tuple[str, ...] = ()  # packages that the build needs beside Go


class Upstream(Model):
    """Official builds. An archive holds files by the names of the outputs; {file} in the URL means one file each."""

    url: str
    checksums: str  # upstream's own checksum file, read by `moorage bundle pin`


class Component(Model):
    """One component at one version."""

    name: str
    version: str
    title: str
    seconds: float  # of a cold build on two cores
    source: Source
    upstream: Upstream | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.source.packages)


class _Entry(Model):
    title: str
    seconds: float
    source: Source
    upstream: Upstream | None = None


class _Values(dict[str, str]):
    """What templates may say; {file} is left for later."""

    def __missing__(self, key: str) -> str:
        raise KeyError(key)


def components(release: Release, *, arch: str) -> tuple[Component, ...]:
    """Every component of `release`, the ones that others wait for longest first."""
    versions = release.components
    wanted = [
        ("etcd", versions.etcd),
        ("containerd", versions.containerd),
        ("runc", versions.runc),
        ("cni", versions.cni),
        ("moorage-host", ""),
        ("flannel", versions.flannel),
        ("coredns", versions.coredns),
        *(("kubernetes", version) for version in release.kubernetes.all),
    ]
    return tuple(_component(name, version, arch) for name, version in wanted)

"""The commands for releases and bundles: list, build, verify, export, import, pin."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from installer.cli.command import Common, command

if TYPE_CHECKING:
    from installer.bundle.bundle import Bundle

Release = Annotated[
    str, typer.Argument(help="A release of `moorage bundle list`.", show_default="the specification's release")
]
Arch = Annotated[
    str,
    typer.Option(
        help="Architecture of the hosts: amd64 or arm64.", show_default="the specification's, or amd64 with RELEASE"
    ),
]


class Source(StrEnum):
    """Where artefacts come from."""

    AUTO = "auto"
    RELEASE = "release"
    SOURCE = "source"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for name, function in (
        ("list", list_),
        ("build", build),
        ("verify", verify),
        ("export", export),
        ("import", import_),
        ("pin", pin),
    ):
        command(app, name)(function)


def list_(common: Common) -> None:
    """List the releases, and which of them are built here."""
    from installer.bundle import bundle, release
    from installer.cli import tables
    from installer.core import cache

    kept = cache.root()
    built = {
        one.name: [arch for arch in release.ARCHITECTURES if bundle.manifest_path(kept, one.name, arch).exists()]
        for one in release.releases()
    }
    data = [{**one.model_dump(mode="json", by_alias=True), "built": built[one.name]} for one in release.releases()]
    common.out.result(tables.releases(release.releases(), built), data)


def build(
    common: Common,
    release: Release = "",
    *,
    arch: Arch = "",
    source: Annotated[Source, typer.Option(help="Official releases, Go sources, or whichever works.")] = Source.AUTO,
) -> None:
    """Get or build everything a release consists of; done once, then there at once."""
    from installer.bundle import build as building
    from installer.bundle.release import load_release
    from installer.cli import build_progress

    name, arch = _wanted(common, release, arch)
    with build_progress.shown(common.out, sys.stderr) as on_event:
        made = building.build(load_release(name), arch=arch, source=source.value, on_event=on_event)
    _show(common, made)


def verify(common: Common, release: Release = "", *, arch: Arch = "") -> None:
    """Read every file of a bundle and compare it with its digest."""
    from installer.bundle import bundle

    name, arch = _wanted(common, release, arch)
    found = bundle.Bundle.load(name, arch=arch)
    bundle.verify(found)
    _show(common, found)


def export(
    common: Common,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The tar file to write.")],
    release: Release = "",
    *,
    arch: Arch = "",
) -> None:
    """Write a bundle as one file, to carry it where there is no internet."""
    from installer.bundle import bundle

    name, arch = _wanted(common, release, arch)
    found = bundle.Bundle.load(name, arch=arch)
    bundle.export(found, target)
    _show(common, found)


def import_(
    common: Common, source: Annotated[Path, typer.Argument(metavar="FILE", help="An exported bundle.")]
) -> None:
    """Take in an exported bundle; every file is checked."""
    from installer.bundle import bundle

    _show(common, bundle.import_(source))


def pin(common: Common, release: Release = "", *, arch: Arch = "") -> None:
    """Fetch official checksums that a release still lacks."""
    from installer.bundle import upstream
    from installer.bundle.components import components
    from installer.bundle.release import load_release

    name, arch = _wanted(common, release, arch)
    new = upstream.pin(components(load_release(name), arch=arch))
    common.out.result(f"{len(new)} checksums of release {name} are new", {"release": name, "pinned": new})


def _wanted(common: Common, release: str, arch: str) -> tuple[str, str]:
    """Release and architecture that are named, else those of the specification; raises BundleError for unknown ones."""
    from installer.bundle.release import ARCHITECTURES, load_release
    from installer.cli import loading
    from installer.core.errors import BundleError

    if not release:
        spec = loading.platform(loading.load(common), common).spec
        release, arch = spec.release, arch or spec.arch
    arch = arch or ARCHITECTURES[0]
    if arch not in ARCHITECTURES:
        raise BundleError(f"there are no bundles for {arch}", hint=f"one of {', '.join(ARCHITECTURES)}")
    return load_release(release).name, arch


def _show(common: Common, bundle: Bundle) -> None:
    size = sum(artefact.size for artefact in bundle.artefacts)
    common.out.result(
        f"release {bundle.release} for {bundle.arch}: {len(bundle.artefacts)} artefacts, {size / 1e6:.0f} MB, "
        f"digest {bundle.digest[:12]}",
        {"release": bundle.release, "arch": bundle.arch, "digest": bundle.digest, "size": size},
    )

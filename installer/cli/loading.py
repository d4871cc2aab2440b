"""The specification that the options name."""

from __future__ import annotations

from installer.bundle import release
from installer.cli.command import Common
from installer.core.errors import SpecError
from installer.spec import specification
from installer.spec.platform import Platform
from installer.spec.subject import Offer, ReleaseOffer


def offer() -> Offer:
    """What the releases that this version of Moorage knows offer."""
    return Offer(
        {one.name: ReleaseOffer(one.kubernetes.manager, one.kubernetes.clusters) for one in release.releases()}
    )


def load(common: Common) -> specification.Specification:
    """The specification, checked against the releases; raises SpecError with every fault."""
    return specification.load(common.file, offer=offer())


def platform(spec: specification.Specification, common: Common) -> Platform:
    """The platform in it; raises SpecError when there is none."""
    if spec.platform is None:
        raise SpecError(f"{common.file} has no document of kind Platform", hint="name its file, or directory, with -f")
    return spec.platform

"""What cross-checks look at and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from installer.spec.cluster import Cluster
from installer.spec.platform import Platform
from installer.spec.source import Loc


@dataclass(frozen=True)
class ReleaseOffer:
    """The Kubernetes versions that a release offers."""

    manager_version: str
    cluster_versions: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """The releases there are, by name; passed in, since releases belong to a higher layer."""

    releases: Mapping[str, ReleaseOffer]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """All documents that are valid by themselves; without an offer, versions are not checked."""

    platform: Platform | None = None
    clusters: tuple[Cluster, ...] = ()
    offer: Offer | None = None


@dataclass(frozen=True)
class Finding:
    """Something wrong at a path of one document."""

    document: Platform | Cluster
    loc: Loc
    message: str


Check = Callable[[Subject], Iterable[Finding]]

"""Which releases hosts run, and what follows from it: read from the hosts, never assumed."""

from __future__ import annotations

from collections.abc import Iterable

from installer.bundle.bundle import Bundle
from installer.bundle.release import Release, load_release
from installer.core import layout
from installer.core.errors import BundleError
from installer.core.version import Version
from installer.hostops.facts import HostFacts


def known(seen: HostFacts, digest: str) -> Release | None:
    """The release of a bundle that lies on a host; None when the host or this version of Moorage does not know it."""
    try:
        return load_release(seen.releases.get(digest, ""))
    except BundleError:
        return None


def name_of(seen: HostFacts) -> str:
    """The release that a host was last whole on; empty: none yet."""
    digest = seen.manifest.release
    return seen.releases.get(digest, digest[:12])


def etcd_of(seen: HostFacts, digest: str) -> str:
    """The version of etcd in a bundle on a host; empty: not known."""
    release = known(seen, digest)
    return release.components.etcd if release else ""


def is_newer_etcd(seen: HostFacts, bundle: Bundle) -> bool:
    """Whether a bundle has a newer etcd than what a host was last whole on: then what is there is worth a copy."""
    had = etcd_of(seen, seen.manifest.release)
    return bool(had) and Version.parse(bundle.info.components.etcd) > Version.parse(had)


def etcd_link(seen: HostFacts) -> str:
    """The digest of the bundle that a host's etcd comes from; empty: it has none."""
    return seen.links.get(layout.ETCD, "").rsplit("/", 1)[-1]


def is_half(seen: HostFacts) -> bool:
    """Whether a host is between the bundle that it was last whole on and another."""
    return seen.current_release != seen.manifest.release or etcd_link(seen) not in ("", seen.manifest.release)


def goes_back_to(seen: HostFacts) -> str:
    """The digest of the bundle that a host had before what it has, or is on the way to; empty: there is none."""
    digest = seen.manifest.release if is_half(seen) else seen.manifest.previous
    return digest if digest in seen.releases else ""


def must_stay(old: Release, new: Release, others: Iterable[Release]) -> str:
    """Why a manager that is whole on `new` may not go back to `old`; empty when it may. `others`: the other managers'.

    https://kubernetes.io/releases/version-skew-policy/: an older API server serves what newer ones have stored only
    while both are there.
    """
    was, now = Version.parse(old.kubernetes.manager), Version.parse(new.kubernetes.manager)
    if was.line >= now.line or any(Version.parse(one.kubernetes.manager).line <= was.line for one in others):
        return ""
    return f"all managers run Kubernetes {now}: what they have stored, {was} may not be able to read"


def etcd_digest(seen: HostFacts, bundle: Bundle) -> str:
    """The bundle that a host's etcd is to come from: a newer one than `bundle` where it is that new already.

    https://etcd.io/docs/v3.6/upgrades/: once a cluster is of one minor version, no older one can read its data.
    """
    runs = etcd_link(seen)
    version = etcd_of(seen, runs)
    if version and Version.parse(version).line > Version.parse(bundle.info.components.etcd).line:
        return runs
    return bundle.digest


def needs_drain(seen: HostFacts, bundle: Bundle, *, kubelet: tuple[str, str] | None = None) -> bool:
    """Whether pods must be away while a host goes over to a bundle.

    `kubelet`: the versions that it has and is to have, where it is no node of the manager.

    https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/#upgrade-worker-nodes: a kubelet's minor
    version changes on an empty node. What runs containers is held to the same.
    """
    if kubelet and Version.parse(kubelet[0]).line != Version.parse(kubelet[1]).line:
        return True
    if seen.manifest.release == bundle.digest:
        return False
    before = known(seen, seen.manifest.release)
    return before is None or _lines(before, manager=not kubelet) != _lines(bundle.info, manager=not kubelet)


def _lines(release: Release, *, manager: bool) -> tuple[object, ...]:
    parts = (*([release.kubernetes.manager] if manager else ()), release.components.containerd, release.components.runc)
    return tuple(Version.parse(part).line for part in parts)

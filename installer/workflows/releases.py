"""Which releases hosts run, and what follows from it: read from the hosts, never assumed."""

from __future__ import annotations

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


def etcd_digest(seen: HostFacts, bundle: Bundle) -> str:
    """The bundle that a host's etcd is to come from: a newer one than `bundle` where it is that new already.

    https://etcd.io/docs/v3.6/upgrades/: once a cluster is of one minor version, no older one can read its data.
    """
    runs = seen.links.get(layout.ETCD, "").rsplit("/", 1)[-1]
    version = etcd_of(seen, runs)
    if version and Version.parse(version).line > Version.parse(bundle.info.components.etcd).line:
        return runs
    return bundle.digest


def needs_empty_host(seen: HostFacts, bundle: Bundle) -> bool:
    """Whether pods must be away while a host goes over to a bundle.

    https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/#upgrade-worker-nodes: a kubelet's minor
    version changes on an empty node. What runs containers is held to the same.
    """
    if seen.manifest.release == bundle.digest:
        return False
    before = known(seen, seen.manifest.release)
    return before is None or _line(before) != _line(bundle.info)


def _line(release: Release) -> tuple[object, ...]:
    parts = (release.kubernetes.manager, release.components.containerd, release.components.runc)
    return tuple(Version.parse(part).line for part in parts)

"""Where things lie on a host; every layer that names a path on a host takes it from here."""

from __future__ import annotations

from typing import Final

ROOT: Final = "/opt/moorage"
STORE: Final = f"{ROOT}/store"  # <sha256>: one file an artefact, mode 0555, never changed
RELEASES: Final = f"{ROOT}/releases"  # <bundle digest>/<path>: hard links into the store
CURRENT: Final = f"{ROOT}/current"  # symbolic link to one release; a switch is one rename
# The same for etcd alone: its data is not read by an older one, so that a host that goes back may have to keep it.
ETCD: Final = f"{ROOT}/etcd"
CONFIG: Final = "/etc/moorage"  # what we render: certificates, kubeconfigs, component configuration
STATE: Final = "/var/lib/moorage"  # what components keep
MANIFEST: Final = f"{STATE}/manifest.json"  # what Moorage installed here, so that it can be removed again
SNAPSHOTS: Final = f"{STATE}/snapshots"  # of the manager's etcd, on manager hosts
ETCD_COPY: Final = f"{STATE}/etcd-before"  # its data directory while a newer etcd has not shown that it runs
UNITS: Final = "/etc/systemd/system"

# Inside a release. Kubernetes binaries are per version because clusters choose theirs.
BIN: Final = "bin"
CNI: Final = "cni"
IMAGES: Final = "images"
BUNDLE_MANIFEST: Final = "manifest.json"


def kubernetes_bin(version: str) -> str:
    """The directory of one Kubernetes version's binaries inside a release, `version` without a leading v."""
    return f"kubernetes/{version}"

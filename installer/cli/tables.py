"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from installer.bundle.release import Release
from installer.cli.output import table


def releases(found: Sequence[Release], built: Mapping[str, Sequence[str]]) -> str:
    """Releases with their versions."""
    return table(
        ("RELEASE", "MANAGER", "CLUSTERS", "ETCD", "CONTAINERD", "FROM", "BUILT"),
        (
            (
                one.name,
                one.kubernetes.manager,
                ", ".join(one.kubernetes.clusters),
                one.components.etcd,
                one.components.containerd,
                ", ".join(one.reached_from) or "-",
                ", ".join(built[one.name]) or "-",
            )
            for one in found
        ),
    )

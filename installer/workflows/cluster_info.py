"""A cluster as its resource tells: what the command line shows, and what workflows decide by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from installer.kubernetes import cluster_status, datastore


@dataclass(frozen=True)
class Condition:
    """One condition of a cluster's status."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class NodeInfo:
    """One node of a cluster."""

    name: str
    pool: str
    host: str  # empty: it has no place yet
    ready: bool


@dataclass(frozen=True, kw_only=True)
class ClusterInfo:
    """A cluster as its resource tells."""

    name: str
    version: str  # that it is to have
    runs: str  # that all of its control plane runs, or last ran
    phase: str
    control_plane_ready: int
    control_plane_wanted: int
    nodes_ready: int
    nodes_wanted: int
    endpoint: str
    created: str
    conditions: tuple[Condition, ...]
    nodes: tuple[NodeInfo, ...] = ()
    region: str = ""  # its home; empty: it has none
    datastore: str = ""
    bundle: str = ""  # digest of the one that it was last whole on

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.conditions)

    @property
    def serves(self) -> bool:
        """Whether it is ready, but perhaps for hosts of dedicated pools, which only the installer brings."""
        others = [c for c in self.conditions if c.type not in ("Ready", cluster_status.HOSTS_READY)]
        return bool(others) and all(c.status == "True" for c in others)

    @property
    def queued(self) -> bool:
        """Whether it waits until others have started."""
        return any(c.reason == cluster_status.QUEUED for c in self.conditions if c.status != "True")

    @property
    def failed_upgrade(self) -> str:
        """Why the version that it is to have did not come up, and was given up; empty: it was not.

        Its phase says so only once it is back at the one before.
        """
        return next((c.message for c in self.conditions if c.reason == cluster_status.UPGRADE_FAILED), "")

    @property
    def may_be_upgraded(self) -> bool:
        """One that an earlier run was killed on, or that did not come up, too: going on is what mends it."""
        return self.ready or self.phase in {cluster_status.UPDATING, cluster_status.UPGRADE_FAILED}

    @property
    def waits_for(self) -> str:
        """Why it is not ready, in the words of its conditions."""
        lacking = [c for c in self.conditions if c.status != "True" and c.type != "Ready"]  # Ready repeats the first
        return "; ".join(f"{c.type}: {c.message or c.reason}" for c in lacking)


def info(resource: Mapping[str, Any]) -> ClusterInfo:
    """A cluster's resource as we show it."""
    spec, status = resource.get("spec") or {}, resource.get("status") or {}
    plane, nodes = status.get("controlPlane") or {}, status.get("nodes") or {}
    pools: Sequence[Mapping[str, Any]] = spec.get("pools") or ()
    return ClusterInfo(
        name=resource["metadata"]["name"],
        version=spec.get("version", ""),
        runs=plane.get("version") or spec.get("version", ""),
        phase=status.get("phase", cluster_status.PENDING),
        control_plane_ready=plane.get("ready", 0),
        control_plane_wanted=(spec.get("controlPlane") or {}).get("replicas", 1),
        nodes_ready=nodes.get("ready", 0),
        nodes_wanted=sum(len(pool["hosts"]) if "hosts" in pool else pool.get("count", 1) for pool in pools),
        endpoint=status.get("endpoint", ""),
        created=str(resource["metadata"].get("creationTimestamp", "")),
        conditions=tuple(
            Condition(c["type"], c["status"], c.get("reason", ""), c.get("message", ""))
            for c in status.get("conditions") or ()
        ),
        nodes=tuple(NodeInfo(n["name"], n["pool"], n["host"], n["ready"]) for n in nodes.get("items") or ()),
        bundle=status.get("bundle", ""),
        region=(spec.get("controlPlane") or {}).get("region") or "",
        datastore=(status.get("datastore") or {}).get("name") or datastore.meant_by(resource["metadata"]["name"], spec),
    )

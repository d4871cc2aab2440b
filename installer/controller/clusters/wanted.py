"""What a Cluster resource asks for, and why it may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from installer.controller.status import Condition
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster


def parse(resource: Mapping[str, Any]) -> Cluster | Condition:
    """The cluster that a resource describes, or why it cannot be understood."""
    try:
        return Cluster.of_resource(resource)
    except ValidationError as exc:
        faults = [
            f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"
            for error in exc.errors(include_input=False)
        ]
        return Condition("ControlPlaneReady", False, "SpecRefused", "; ".join(sorted(faults)))


def _unplaced(cluster: Cluster, settings: PlatformSettings) -> str:
    """Why it cannot be where it is to be; the specification's checks of regions say the same."""
    home, known = cluster.spec.control_plane.region, ", ".join(settings.regions)
    pools = {name: f"spec.pools: {pool.name}" for pool in cluster.spec.shared_pools for name in pool.regions}
    for name, where in {**pools, **({home: "spec.controlPlane.region"} if home else {})}.items():
        if name not in settings.regions:
            return f"{where}: the platform has no region {name}; it has {known}"
    for name, where in pools.items():
        if not settings.regions[name].carries:
            return f"{where}: no host of region {name} carries nodes: give it one with the role worker"
    if home and not settings.regions[home].managers:
        there = ", ".join(name for name, region in settings.regions.items() if region.managers)
        return (
            f"spec.controlPlane.region: region {home} has no host with the role manager, which the data would lie on: "
            f"give it one, or choose one of {there}"
        )
    return ""


def refusal(cluster: Cluster, settings: PlatformSettings) -> Condition | None:
    """Why a cluster cannot be made on this platform; None when it can."""
    if cluster.spec.version not in settings.versions:
        offered = ", ".join(settings.versions)
        message = f"release {settings.release} has no Kubernetes {cluster.spec.version}; it offers {offered}"
        return Condition("ControlPlaneReady", False, "VersionRefused", message)
    if unplaced := _unplaced(cluster, settings):
        return Condition("ControlPlaneReady", False, "RegionRefused", unplaced)
    network = cluster.spec.network
    for what, theirs in (("pods", network.pods), ("services", network.services)):
        for whose, ours in (("pods", settings.pods), ("services", settings.services)):
            if theirs.overlaps(ours):
                message = f"spec.network.{what} {theirs} overlaps the manager's {whose} {ours}"
                return Condition("ControlPlaneReady", False, "NetworkRefused", message)
    return None

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


def refusal(cluster: Cluster, settings: PlatformSettings) -> Condition | None:
    """Why a cluster cannot be made on this platform; None when it can."""
    if cluster.spec.version not in settings.versions:
        offered = ", ".join(settings.versions)
        message = f"release {settings.release} has no Kubernetes {cluster.spec.version}; it offers {offered}"
        return Condition("ControlPlaneReady", False, "VersionRefused", message)
    network = cluster.spec.network
    for what, theirs in (("pods", network.pods), ("services", network.services)):
        for whose, ours in (("pods", settings.pods), ("services", settings.services)):
            if theirs.overlaps(ours):
                message = f"spec.network.{what} {theirs} overlaps the manager's {whose} {ours}"
                return Condition("ControlPlaneReady", False, "NetworkRefused", message)
    return None

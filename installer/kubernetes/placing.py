"""Where pods of clusters are: spread over hosts, zones and regions, kept to some, waiting where theirs is lost.

https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from installer.kubernetes.lost import REGION, ZONE

_HOST = "kubernetes.io/hostname"


def spread(labels: dict[str, str], keys: Sequence[str] = (_HOST, ZONE, REGION)) -> list[dict[str, Any]]:
    """Constraints that spread pods of these labels as evenly as free room allows; zones may have namesakes."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }
        for key in keys
    ]


def affinity(
    *, regions: Sequence[str] = (), rather: Sequence[str] = (), near: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """The `affinity` of a pod that is in one of `regions`, rather in some than in others, or near these hosts."""
    found: dict[str, Any] = {}
    if regions:
        required = {"nodeSelectorTerms": [{"matchExpressions": [_among(REGION, regions)]}]}
        found["requiredDuringSchedulingIgnoredDuringExecution"] = required
    wishes = [_among(key, names) for key, names in ((REGION, rather), (_HOST, near)) if names]
    if wishes:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": 100, "preference": {"matchExpressions": [wish]}} for wish in wishes
        ]
    return {"affinity": {"nodeAffinity": found}} if found else {}


def waits_on_lost_hosts() -> list[dict[str, str]]:
    """Tolerations of a pod that stays bound to its host when that is lost, until the controller lets it go.

    Kubernetes knows only hosts: it would make everything anew that is in a region which is cut off for a minute.
    """
    return [
        {"key": f"node.kubernetes.io/{reason}", "operator": "Exists", "effect": "NoExecute"}
        for reason in ("not-ready", "unreachable")
    ]


def _among(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}

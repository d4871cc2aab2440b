"""The one contract that every region's stack exports: `region`, the JSON of RegionOutputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from installer.spec.contract import RegionOutputs


def export_region(
    *,
    region: str,
    provider: str,
    hosts: Sequence[pulumi.Output[dict[str, Any]]],
    endpoint: pulumi.Output[str] | None = None,
    cluster_endpoint: pulumi.Output[str] | None = None,
) -> None:
    """Export the region's hosts; each is a mapping of HostOutput's fields, checked once all of them are known.

    `endpoint`: the address of a balancer of the manager's API, `cluster_endpoint`: of one of ports of clusters.
    """

    def text(found: list[Any]) -> str:
        api, clusters, *given = found
        checked = RegionOutputs.model_validate(
            {
                "region": region,
                "provider": provider,
                "hosts": given,
                "endpoint": api,
                "clusterEndpoint": clusters,
            }
        )
        return checked.model_dump_json()

    pulumi.export("region", pulumi.Output.all(endpoint, cluster_endpoint, *hosts).apply(text))

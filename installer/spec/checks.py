"""The list of all cross-checks; a new one is a function and a line here."""

from __future__ import annotations

from typing import Final

from installer.spec import (
    check_aws,
    check_azure,
    check_capacity,
    check_clouds,
    check_dedicated,
    check_gcp,
    check_names,
    check_networks,
    check_regions,
    check_versions,
)
from installer.spec.subject import Check, Finding, Subject

CHECKS: Final[tuple[Check, ...]] = (
    check_names.region_names,
    check_names.host_names,
    check_names.host_name_lengths,
    check_names.addresses,
    check_names.cluster_names,
    check_names.pool_names,
    check_networks.platform_ranges,
    check_networks.cluster_ranges,
    check_networks.load_balancer_addresses,
    check_networks.host_addresses,
    check_networks.vips,
    check_networks.pod_range_sizes,
    check_networks.service_range_sizes,
    check_networks.api_ports,
    check_dedicated.hosts,
    check_dedicated.beside_node_pods,
    check_regions.homes,
    check_regions.pools,
    check_aws.zones,
    check_clouds.spot,
    check_clouds.arch,
    check_clouds.balancers,
    check_clouds.volumes,
    check_clouds.gpus,
    check_aws.disks,
    check_azure.networks,
    check_azure.room,
    check_gcp.machines,
    check_capacity.manager_count,
    check_capacity.largest_node,
    check_capacity.all_nodes,
    check_versions.release_exists,
    check_versions.cluster_versions,
)


def run(subject: Subject) -> tuple[Finding, ...]:
    """Everything that every check finds."""
    return tuple(finding for check in CHECKS for finding in check(subject))

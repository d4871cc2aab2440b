"""The kinds of things that the fake Azure has: what they refer to, what is unique, and what they are given when made.

One entry for each resource type that stacks/azure uses, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.cloud import azure_checks as checks
from tests.fakes.cloud.azure_checks import (
    ADDRESS,
    ASSIGNMENT,
    BALANCER,
    CARD,
    CONTAINER,
    GROUP,
    IDENTITY,
    LOCK,
    MACHINE,
    MEMBERS,
    NAT,
    NETWORK,
    RULES,
    STORE,
    SUBNET,
    SUBSCRIPTION,
    USED,
    Check,
)
from tests.fakes.cloud.cloud import Data, Kind

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account


def _kind(
    type_: str,
    key: str,
    *,
    refers: Mapping[str, tuple[str, str]] | None = None,
    replaced_by: Sequence[str] = (),
    made: Callable[[Account, str, Data], dict[str, Any]] | None = None,
    check: Check = lambda account, inputs: None,
) -> Kind:
    """One that is in a resource group, by a name."""
    return Kind(
        refers={"resourceGroupName": (GROUP, "name"), **(refers or {})},
        part_of="resourceGroupName",
        named=key,
        unique=("resourceGroupName", key),
        id_of=checks.in_group(type_, key),
        replaced_by=frozenset({"resourceGroupName", "location", key, *replaced_by}),
        made=made or checks.provided(key),
        check=checks.both(checks.tags_and_place_fit, check),
    )


def _part_of(parent: str, parent_key: str, path: str, key: str, *, refers: Any = None, check: Any = None) -> Kind:
    """A part of something that is in a resource group: it goes with that."""
    return Kind(
        refers={parent_key: (parent, "name"), **(refers or {})},
        part_of=parent_key,
        named=key,
        unique=("resourceGroupName", parent_key, key),
        id_of=lambda inputs: (
            f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}/providers/"
            f"{path.format(inputs[parent_key])}/{inputs[key]}"
        ),
        replaced_by=frozenset({"resourceGroupName", parent_key, key}),
        made=checks.named(key),
        check=check or (lambda account, inputs: None),
    )


KINDS: Final[dict[str, Kind]] = {
    GROUP: Kind(
        named="resourceGroupName",
        unique=("resourceGroupName",),
        id_of=lambda inputs: f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}",
        replaced_by=frozenset({"resourceGroupName", "location"}),
        made=checks.named("resourceGroupName"),
        check=checks.tags_and_place_fit,
    ),
    NETWORK: _kind("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
    SUBNET: _part_of(
        NETWORK,
        "virtualNetworkName",
        "Microsoft.Network/virtualNetworks/{}/subnets",
        "subnetName",
        refers={"natGateway.id": (NAT, "id")},
        check=checks.subnet_fits,
    ),
    ADDRESS: _kind(
        "Microsoft.Network/publicIPAddresses",
        "publicIpAddressName",
        replaced_by=["zones", "sku", "publicIPAllocationMethod"],
        made=checks.address,
        check=checks.address_fits,
    ),
    NAT: _kind("Microsoft.Network/natGateways", "natGatewayName", refers={"publicIpAddresses.id": (ADDRESS, "id")}),
    MEMBERS: _kind("Microsoft.Network/applicationSecurityGroups", "applicationSecurityGroupName"),
    RULES: _kind(
        "Microsoft.Network/networkSecurityGroups",
        "networkSecurityGroupName",
        refers={
            "securityRules.sourceApplicationSecurityGroups.id": (MEMBERS, "id"),
            "securityRules.destinationApplicationSecurityGroups.id": (MEMBERS, "id"),
        },
        check=checks.rules_fit,
    ),
    BALANCER: _kind(
        "Microsoft.Network/loadBalancers",
        "loadBalancerName",
        refers={
            "frontendIPConfigurations.subnet.id": (SUBNET, "id"),
            "frontendIPConfigurations.publicIPAddress.id": (ADDRESS, "id"),
        },
        replaced_by=["sku"],
        made=checks.balancer,
        check=checks.balancer_fits,
    ),
    CARD: _kind(
        "Microsoft.Network/networkInterfaces",
        "networkInterfaceName",
        refers={
            "networkSecurityGroup.id": (RULES, "id"),
            "ipConfigurations.subnet.id": (SUBNET, "id"),
            "ipConfigurations.publicIPAddress.id": (ADDRESS, "id"),
            "ipConfigurations.applicationSecurityGroups.id": (MEMBERS, "id"),
            "ipConfigurations.loadBalancerBackendAddressPools.id": (BALANCER, "backendAddressPools.id"),
        },
        made=checks.card,
        check=checks.card_fits,
    ),
    MACHINE: _kind(
        "Microsoft.Compute/virtualMachines",
        "vmName",
        refers={
            "networkProfile.networkInterfaces.id": (CARD, "id"),
            USED: (IDENTITY, "id"),
        },
        replaced_by=["osProfile", "storageProfile", "zones", "priority", "evictionPolicy"],
        made=checks.machine,
        check=checks.machine_fits,
    ),
    IDENTITY: _kind("Microsoft.ManagedIdentity/userAssignedIdentities", "resourceName", made=checks.identity),
    STORE: replace(  # its name is part of a name in the DNS
        _kind("Microsoft.Storage/storageAccounts", "accountName", replaced_by=["kind"], check=checks.store_fits),
        unique=("accountName",),
    ),
    "azure-native:storage:BlobServiceProperties": _part_of(
        STORE, "accountName", "Microsoft.Storage/storageAccounts/{}/blobServices", "blobServicesName"
    ),
    CONTAINER: _part_of(
        STORE, "accountName", "Microsoft.Storage/storageAccounts/{}/blobServices/default/containers", "containerName"
    ),
    ASSIGNMENT: Kind(
        refers={"scope": (CONTAINER, "id"), "principalId": (IDENTITY, "principalId")},
        part_of="scope",
        named="roleAssignmentName",
        unique=("scope", "roleAssignmentName"),
        id_of=lambda inputs: (
            f"{inputs['scope']}/providers/Microsoft.Authorization/roleAssignments/{inputs['roleAssignmentName']}"
        ),
        replaced_by=frozenset({"scope", "principalId", "roleDefinitionId", "roleAssignmentName"}),
        made=checks.named("roleAssignmentName"),
    ),
    LOCK: Kind(
        refers={"scope": (MACHINE, "id")},
        named="lockName",
        unique=("scope", "lockName"),
        id_of=lambda inputs: f"{inputs['scope']}/providers/Microsoft.Authorization/locks/{inputs['lockName']}",
        replaced_by=frozenset({"scope", "lockName"}),
        made=checks.named("lockName"),
    ),
}

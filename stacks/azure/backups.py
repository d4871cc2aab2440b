"""A place for backups on Azure, and the right to use it, which managers alone get and no long-lived key stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native.authorization.role_assignment import RoleAssignment
from pulumi_azure_native.managedidentity.user_assigned_identity import UserAssignedIdentity
from pulumi_azure_native.storage.blob_container import BlobContainer
from pulumi_azure_native.storage.blob_service_properties import BlobServiceProperties
from pulumi_azure_native.storage.storage_account import StorageAccount

from stacks.azure.place import Place, new_place

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
_BLOB_DATA_CONTRIBUTOR: Final = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_DAYS: Final = 14  # that what was deleted or written over can be had back


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """`keep`: what is kept there outlives the stack, in a resource group of its own."""

    place: Place
    keep: bool


class Backups(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`identity`: the id of what a virtual machine has to be given to use the container."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Backups", name, None, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.place.tags
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep)
        place = new_place(name, args.place.location, tags, kept)
        account = StorageAccount(
            name,
            **place.of(name),
            kind="StorageV2",
            sku={"name": "Standard_ZRS"},
            access_tier="Cool",
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            opts=kept,
        )
        BlobServiceProperties(
            name,
            resource_group_name=place.group,
            account_name=account.name,
            blob_services_name="default",
            is_versioning_enabled=True,
            delete_retention_policy={"enabled": True, "days": _DAYS},
            container_delete_retention_policy={"enabled": True, "days": _DAYS},
            opts=kept,
        )
        container = BlobContainer(
            name,
            resource_group_name=place.group,
            account_name=account.name,
            container_name=name,
            public_access="None",
            opts=kept,
        )
        identity = UserAssignedIdentity(name, **args.place.of(name), resource_name_=name, opts=child)
        RoleAssignment(
            name,
            scope=container.id,
            role_definition_id=account.id.apply(_role),
            principal_id=identity.principal_id,
            principal_type="ServicePrincipal",  # so that Azure does not look for one that is too new to be found
            description=f"Managers of {tags.platform}: their backups",
            opts=child,
        )
        self.identity: pulumi.Output[str] = identity.id
        self.register_outputs({"container": container.id})


def _role(account: str) -> str:
    """The role's id in the subscription that an account is in."""
    subscription = "/".join(account.split("/")[:3])
    return f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_BLOB_DATA_CONTRIBUTOR}"

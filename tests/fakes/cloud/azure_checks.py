"""What Azure refuses, and what it gives to what it makes, beyond references and names: see azure_kinds.

Named by the type that each is for: `subnet_fits` checks the inputs of a subnet, `card` has the outputs of an interface.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.cloud.cloud import Data, RefusedError, at

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

Check = Callable[["Account", Data], None]

LOCATION: Final = "westeurope"
ZONES: Final = ("1", "2", "3")
SUBSCRIPTION: Final = "/subscriptions/00000000-1111-2222-3333-444444444444"
GROUP, NETWORK = "azure-native:resources:ResourceGroup", "azure-native:network:VirtualNetwork"
SUBNET, CARD = "azure-native:network:Subnet", "azure-native:network:NetworkInterface"
ADDRESS, NAT = "azure-native:network:PublicIPAddress", "azure-native:network:NatGateway"
RULES, MEMBERS = "azure-native:network:NetworkSecurityGroup", "azure-native:network:ApplicationSecurityGroup"
BALANCER, MACHINE = "azure-native:network:LoadBalancer", "azure-native:compute:VirtualMachine"
LOCK, ASSIGNMENT = "azure-native:authorization:ManagementLockByScope", "azure-native:authorization:RoleAssignment"
STORE, CONTAINER = "azure-native:storage:StorageAccount", "azure-native:storage:BlobContainer"
IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
IMAGES: Final = (
    ("Debian", "debian-12", "12-gen2"),
    ("Debian", "debian-13", "13-gen2"),
    ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
    ("Canonical", "ubuntu-24_04-lts", "server"),
)
USED: Final = "identity.userAssignedIdentities"
_RESERVED: Final = 4  # addresses at the start of each subnet are Azure's
# Names of tags: https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
_TAG: Final = re.compile(r"[^<>%&\\?/]{1,512}")
_ADMINS: Final = {"root", "admin", "administrator", "user", "guest"}  # some of those that Azure refuses
_SOURCES: Final = ("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups")
_PARTS: Final = ("frontendIPConfigurations", "backendAddressPools", "probes", "loadBalancingRules")
_STORE_NAME: Final = re.compile(r"[a-z0-9]{3,24}")


def tags_and_place_fit(account: Account, inputs: Data) -> None:
    for key in inputs.get("tags") or {}:
        if not _TAG.fullmatch(key):
            raise RefusedError("InvalidTagNameCharacters", f"The tag names '{key}' have reserved characters")
    if inputs.get("location", LOCATION) != LOCATION:
        text = f"The provided location '{inputs['location']}' is not available for resource type"
        raise RefusedError("LocationNotAvailableForResourceType", text)
    if unknown := set(inputs.get("zones") or ()) - set(ZONES):
        raise RefusedError("InvalidAvailabilityZone", f"The zone(s) '{', '.join(sorted(unknown))}' are not supported")


def both(*checks: Check) -> Check:
    def check(account: Account, inputs: Data) -> None:
        for one in checks:
            one(account, inputs)

    return check


def named(key: str) -> Callable[[Account, str, Data], dict[str, Any]]:
    return lambda account, id_, inputs: {"name": inputs[key]}


def provided(key: str) -> Callable[[Account, str, Data], dict[str, Any]]:
    return lambda account, id_, inputs: {"name": inputs[key], "provisioningState": "Succeeded"}


def in_group(kind: str, key: str) -> Callable[[Data], str]:
    return lambda inputs: f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}/providers/{kind}/{inputs[key]}"


def subnet_fits(account: Account, inputs: Data) -> None:
    network = account.one(NETWORK, "name", inputs["virtualNetworkName"])
    assert network is not None  # it was referred to
    mine = IPv4Network(inputs["addressPrefix"])
    if not any(mine.subnet_of(IPv4Network(one)) for one in network["addressSpace"]["addressPrefixes"]):
        raise RefusedError("NetcfgInvalidSubnet", f"Subnet '{inputs['subnetName']}' is not valid in its network.")
    others = [one for one in account.all(SUBNET) if one["virtualNetworkName"] == inputs["virtualNetworkName"]]
    if any(mine.overlaps(IPv4Network(other["addressPrefix"])) for other in others):
        raise RefusedError("NetcfgSubnetRangesOverlap", f"Subnet '{inputs['subnetName']}' overlaps with another")


def address_fits(account: Account, inputs: Data) -> None:
    if len(account.all(ADDRESS)) >= account.quota["addresses"]:
        raise RefusedError("PublicIPCountLimitReached", "Cannot create more than the limit of public IP addresses.")


def address(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    made: dict[str, Any] = {"name": inputs["publicIpAddressName"], "provisioningState": "Succeeded"}
    if (ADDRESS, id_) in account.things:
        return {**made, "ipAddress": account.get(ADDRESS, id_)["ipAddress"]}
    if account.machines is None:
        return {**made, "ipAddress": account.public_address("ipAddress")}
    return {"ipAddress": account.reserve(made), **made}


def rules_fit(account: Account, inputs: Data) -> None:
    rules: Sequence[Data] = inputs.get("securityRules") or ()
    for what in ("priority", "name"):
        seen = [(rule["direction"], rule[what]) for rule in rules]
        if len(seen) != len(set(seen)):
            raise RefusedError("SecurityRuleConflict", f"Security rules have the same {what}")
    for rule in rules:
        given = [key for key in _SOURCES if rule.get(key)]
        if len(given) != 1:
            raise RefusedError("SecurityRuleInvalidAddressPrefix", f"{rule['name']}: one source is wanted, not {given}")
        if not 100 <= rule["priority"] <= 4096:
            raise RefusedError("SecurityRuleInvalidPriority", f"{rule['name']}: priority must be from 100 to 4096")
        if len(rule.get("description", "")) > 140:
            raise RefusedError("SecurityRuleDescriptionTooLong", f"{rule['name']}: 140 characters at most")


def card_fits(account: Account, inputs: Data) -> None:
    for address in at(inputs, "ipConfigurations.publicIPAddress.id"):
        for kind, path in (
            (CARD, "ipConfigurations.publicIPAddress.id"),
            (BALANCER, "frontendIPConfigurations.publicIPAddress.id"),
            (NAT, "publicIpAddresses.id"),
        ):
            if other := account.one(kind, path, address):
                raise RefusedError("PublicIPAddressInUse", f"Resource {address} is already allocated to {other['id']}")


def card(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    made: dict[str, Any] = {"name": inputs["networkInterfaceName"], "provisioningState": "Succeeded"}
    if (CARD, id_) in account.things:
        (private,) = at(account.get(CARD, id_), "ipConfigurations.privateIPAddress")
    elif account.machines is None:
        (subnet,) = at(inputs, "ipConfigurations.subnet.id")
        network = IPv4Network(account.get(SUBNET, subnet)["addressPrefix"])
        private = account.free(network, "ipConfigurations.privateIPAddress", _RESERVED)
    else:
        public = [account.get(ADDRESS, one)["ipAddress"] for one in at(inputs, "ipConfigurations.publicIPAddress.id")]
        private = public[0] if public else account.reserve(made)
    made["ipConfigurations"] = [
        {**one, "id": f"{id_}/ipConfigurations/{one['name']}", "privateIPAddress": private}
        for one in inputs["ipConfigurations"]
    ]
    return made


def balancer_fits(account: Account, inputs: Data) -> None:
    id_ = in_group("Microsoft.Network/loadBalancers", "loadBalancerName")(inputs)
    own = {f"{id_}/{part}/{one['name']}" for part in _PARTS for one in inputs.get(part) or ()}
    rules = inputs.get("loadBalancingRules") or ()
    if any(rule["protocol"] == "All" for rule in rules) and (
        len(rules) > 1 or list(at(inputs, "frontendIPConfigurations.publicIPAddress"))
    ):
        raise RefusedError("HAPortsRuleConflict", f"A rule of all ports of {id_} is alone, and not public.")
    for part in ("frontendIPConfiguration", "backendAddressPool", "probe"):
        for wanted in at(inputs, f"loadBalancingRules.{part}.id"):
            if wanted not in own:
                raise RefusedError("InvalidResourceReference", f"Resource {wanted} referenced by {id_} was not found.")


def balancer(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    made: dict[str, Any] = {"name": inputs["loadBalancerName"], "provisioningState": "Succeeded"}
    for part in _PARTS:
        made[part] = [{**one, "id": f"{id_}/{part}/{one['name']}"} for one in inputs.get(part) or ()]
    for front in made["frontendIPConfigurations"]:
        if subnet := (front.get("subnet") or {}).get("id"):
            network = IPv4Network(account.get(SUBNET, subnet)["addressPrefix"])
            # Nobody is to ask a real network, and nothing listens there.
            front["privateIPAddress"] = str(network[-2]) if account.machines is None else "127.0.0.1"
    return made


def machine_fits(account: Account, inputs: Data) -> None:
    image_fits(account, inputs["storageProfile"]["imageReference"])
    for card in at(inputs, "networkProfile.networkInterfaces.id"):
        if other := account.one(MACHINE, "networkProfile.networkInterfaces.id", card):
            raise RefusedError("NicInUse", f"Network Interface {card} is used by existing resource {other['id']}.")
    luns = [one["lun"] for one in inputs["storageProfile"].get("dataDisks") or ()]
    if len(set(luns)) < len(luns):
        raise RefusedError("InvalidParameter", "Two data disks have the same LUN.")
    profile = inputs["osProfile"]
    try:
        base64.b64decode(profile["customData"], validate=True)
    except binascii.Error:
        raise RefusedError("InvalidParameter", "Custom data in OSProfile must be in Base64 encoding") from None
    if profile["adminUsername"] in _ADMINS:
        raise RefusedError("InvalidParameter", "The Admin Username specified is not allowed.")
    if not list(at(profile, "linuxConfiguration.ssh.publicKeys.keyData")):
        raise RefusedError("InvalidParameter", "Authentication using either SSH or password must be enabled.")
    if (inputs.get("evictionPolicy") or inputs.get("billingProfile")) and inputs.get("priority") != "Spot":
        raise RefusedError("OperationNotAllowed", "Eviction policy can be set only on Azure Spot Virtual Machines.")
    if (inputs.get("securityProfile") or {}).get("encryptionAtHost") and not account.quota["encryptionAtHost"]:
        raise RefusedError(
            "InvalidParameter", "'securityProfile.encryptionAtHost' is not enabled for this subscription"
        )
    if len(account.all(MACHINE)) >= account.quota["machines"]:
        text = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."
        raise RefusedError("OperationNotAllowed", text)


def image_fits(account: Account, image: Mapping[str, str]) -> None:
    named = (image.get("publisher", ""), image.get("offer", ""), image.get("sku", ""))
    if "id" not in image and named not in IMAGES:
        raise RefusedError("PlatformImageNotFound", f"The platform image '{':'.join(named)}' is not available.")


def machine(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    made = {**provided("vmName")(account, id_, inputs), "vmId": str(uuid.uuid5(uuid.NAMESPACE_URL, id_))}
    if identity := inputs.get("identity"):  # a list goes in, a map comes out
        used = {one: {"principalId": account.get(IDENTITY, one)["principalId"]} for one in at(inputs, USED)}
        made["identity"] = {**identity, "userAssignedIdentities": used}
    return made


def store_fits(account: Account, inputs: Data) -> None:
    if not _STORE_NAME.fullmatch(inputs["accountName"]):
        raise RefusedError("AccountNameInvalid", f"{inputs['accountName']} is not a valid storage account name.")


def identity(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    principal = str(uuid.uuid5(uuid.NAMESPACE_URL, id_))
    return {
        "name": inputs["resourceName"],
        "principalId": principal,
        "clientId": principal[::-1],
        "tenantId": principal,
    }

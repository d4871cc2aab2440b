"""What no stack of ours may ask Azure for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from installer.provision.values import UNKNOWN
from stacks.common import tags

Inputs = Mapping[str, Any]  # with its type under `type`
KEYS: Final = tags.DASHED
_MACHINE: Final = "azure-native:compute:VirtualMachine"
_CARD: Final = "azure-native:network:NetworkInterface"
_RULES: Final = "azure-native:network:NetworkSecurityGroup"
_STORE: Final = "azure-native:storage:StorageAccount"
_CONTAINER: Final = "azure-native:storage:BlobContainer"
_ASSIGNMENT: Final = "azure-native:authorization:RoleAssignment"
_WANTED_OF_STORES: Final = {
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "enableHttpsTrafficOnly": True,
    "minimumTlsVersion": "TLS1_2",
}
_BLOB_DATA_CONTRIBUTOR: Final = "/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_ANYBODY: Final = ("*", "Internet", "Any")


def each(one: Inputs) -> Iterator[str]:
    """What is wrong with one thing."""
    for check in _CHECKS:
        yield from check(one)


def together(planned: Sequence[Inputs]) -> Iterator[str]:
    """Nothing here is made of parts that are things of their own."""
    yield from ()


def let_in(one: Inputs) -> Iterator[tuple[IPv4Network, int, int]]:
    """(range, first port, last port) of each range that a thing opens ports to."""
    for rule in one.get("securityRules") or () if one["type"] == _RULES else ():
        if (rule["direction"], rule["access"]) != ("Inbound", "Allow"):
            continue
        ranges = [rule.get("sourceAddressPrefix"), *(rule.get("sourceAddressPrefixes") or ())]
        ports = [rule.get("destinationPortRange"), *(rule.get("destinationPortRanges") or ())]
        for port in filter(None, ports):
            first, _, last = ("0-65535" if port == "*" else port).partition("-")
            for network in filter(None, ranges):
                if network in _ANYBODY:
                    yield IPv4Network("0.0.0.0/0"), int(first), int(last or first)
                elif network[0].isdigit():  # else a tag: the network's own, or Azure's
                    yield IPv4Network(network), int(first), int(last or first)


def _unmanaged_disks(one: Inputs) -> Iterator[str]:
    """Azure encrypts what it manages; images in storage accounts it does not."""
    profile = one.get("storageProfile") or {}
    disks = [profile.get("osDisk"), *(profile.get("dataDisks") or ())]
    if one["type"] == _MACHINE and not all(disk and disk.get("managedDisk") and not disk.get("vhd") for disk in disks):
        yield "a disk is not managed, and so not encrypted"


def _passwords(one: Inputs) -> Iterator[str]:
    profile = one.get("osProfile") or {}
    linux = profile.get("linuxConfiguration") or {}
    if one["type"] == _MACHINE and (profile.get("adminPassword") or not linux.get("disablePasswordAuthentication")):
        yield "a password may log in"


def _identities(one: Inputs) -> Iterator[str]:
    identity = one.get("identity") or {}
    if one["type"] == _MACHINE and "SystemAssigned" in str(identity.get("type", "")):
        yield "has an identity of its own, with whatever somebody gives to that"


def _unguarded(one: Inputs) -> Iterator[str]:
    """An interface without rules, or rules without a last word, let in whatever is in the network."""
    if one["type"] == _CARD and not one.get("networkSecurityGroup"):
        yield "has no rules"
    if one["type"] == _RULES and not any(
        (rule["direction"], rule["access"], rule["protocol"], rule.get("sourceAddressPrefix"))
        == ("Inbound", "Deny", "*", "*")
        and rule.get("destinationPortRange") == "*"
        for rule in one.get("securityRules") or ()
    ):
        yield "does not say that nothing else comes in"


def _open_stores(one: Inputs) -> Iterator[str]:
    if one["type"] == _STORE:
        for key, value in _WANTED_OF_STORES.items():
            if one.get(key) != value:
                yield f"{key} is not {value}"
    if one["type"] == _CONTAINER and one.get("publicAccess") != "None":
        yield "the container is public"


def _long_lived_keys(one: Inputs) -> Iterator[str]:
    if one["type"].endswith((":SshPublicKey", ":FederatedIdentityCredential", ":Application", ":LocalUser")):
        yield "is a key that lives until somebody remembers it"


def _too_much_allowed(one: Inputs) -> Iterator[str]:
    if one["type"] == _ASSIGNMENT:
        role, scope = one["roleDefinitionId"], one["scope"]
        if role != UNKNOWN and not role.endswith(_BLOB_DATA_CONTRIBUTOR):
            yield "allows more than the use of blobs"
        if scope != UNKNOWN and "/containers/" not in scope:
            yield "is for more than one container"


_CHECKS: Final = (
    _unmanaged_disks,
    _passwords,
    _identities,
    _unguarded,
    _open_stores,
    _long_lived_keys,
    _too_much_allowed,
)

"""The fake Azure refuses what Microsoft's API would: tests of the stack are only as good as that."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.fakes.cloud import azure_checks as kinds
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import RefusedError, Rule

_IN = {"resourceGroupName": "g"}
_DEBIAN = {"publisher": "Debian", "offer": "debian-13", "sku": "13-gen2", "version": "latest"}


@pytest.fixture
def account() -> Account:
    """One with a group, a network in it and a subnet in that."""
    found = Account(Azure())
    found.create(kinds.GROUP, "g", {"resourceGroupName": "g", "location": kinds.LOCATION})
    space = {"addressPrefixes": ["10.0.0.0/16"]}
    found.create(kinds.NETWORK, "n", {**_IN, "virtualNetworkName": "n", "addressSpace": space})
    found.create(kinds.SUBNET, "s", _subnet("s", "10.0.0.0/24"))
    return found


def _subnet(name: str, prefix: str) -> dict[str, Any]:
    return {**_IN, "virtualNetworkName": "n", "subnetName": name, "addressPrefix": prefix}


def _card(account: Account, name: str, *, rules: str = "", member: str = "") -> str:
    plugged = {"name": "x", "subnet": {"id": account.all(kinds.SUBNET)[0]["id"]}}
    if member:
        plugged["applicationSecurityGroups"] = [{"id": member}]
    inputs: dict[str, Any] = {**_IN, "networkInterfaceName": name, "ipConfigurations": [plugged]}
    if rules:
        inputs["networkSecurityGroup"] = {"id": rules}
    return account.create(kinds.CARD, name, inputs)[0]


def _machine(name: str, card: str, **more: Any) -> dict[str, Any]:
    profile = {
        "adminUsername": "moorage",
        "customData": base64.b64encode(b"#cloud-config\n").decode(),
        "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": "ssh-ed25519 AAAA"}]}},
    }
    return {
        **_IN,
        "vmName": name,
        "osProfile": {**profile, **more.pop("osProfile", {})},
        "storageProfile": {"imageReference": _DEBIAN},
        "networkProfile": {"networkInterfaces": [{"id": card}]},
        "tags": {"name": name},
        **more,
    }


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("ResourceNotFound", {"networkProfile": {"networkInterfaces": [{"id": "/elsewhere"}]}}),
        ("ResourceNotFound", {"identity": {"userAssignedIdentities": ["/elsewhere"]}}),
        ("ResourceNotFound", {"resourceGroupName": "h"}),
        ("PlatformImageNotFound", {"storageProfile": {"imageReference": {**_DEBIAN, "sku": "14"}}}),
        ("InvalidAvailabilityZone", {"zones": ["4"]}),
        ("InvalidTagNameCharacters", {"tags": {"moorage.dev/platform": "x", "name": "x"}}),
        ("LocationNotAvailableForResourceType", {"location": "atlantis"}),
        ("InvalidParameter: Custom data", {"osProfile": {"customData": "#cloud-config"}}),
        ("InvalidParameter: The Admin", {"osProfile": {"adminUsername": "root"}}),
        ("InvalidParameter: Authentication", {"osProfile": {"linuxConfiguration": {}}}),
        ("OperationNotAllowed: Eviction", {"evictionPolicy": "Deallocate"}),
    ],
)
def test_what_a_machine_cannot_be_is_refused(account: Account, code: str, more: dict[str, Any]) -> None:
    """With the code that Azure has for it."""
    with pytest.raises(RefusedError, match=code):
        account.create(kinds.MACHINE, "m", _machine("m", _card(account, "c"), **more))


def test_one_interface_is_one_machines(account: Account) -> None:
    """And one public address one interface's; the error names whose."""
    card = _card(account, "c")
    made, _ = account.create(kinds.MACHINE, "m", _machine("m", card))
    with pytest.raises(RefusedError, match=f"NicInUse.*{made}"):
        account.create(kinds.MACHINE, "n", _machine("n", card))
    with pytest.raises(RefusedError, match=f"ResourceInUse: {card} is used by {made}"):
        account.delete(kinds.CARD, card, "c")
    address, _ = account.create(kinds.ADDRESS, "a", {**_IN, "publicIpAddressName": "a"})
    plugged = [{"name": "x", "subnet": {"id": account.all(kinds.SUBNET)[0]["id"]}, "publicIPAddress": {"id": address}}]
    account.create(kinds.CARD, "d", {**_IN, "networkInterfaceName": "d", "ipConfigurations": plugged})
    with pytest.raises(RefusedError, match="PublicIPAddressInUse"):
        account.create(kinds.CARD, "e", {**_IN, "networkInterfaceName": "e", "ipConfigurations": plugged})


def test_names_stand_for_one_thing(account: Account) -> None:
    """In a group, or in the world."""
    account.create(kinds.GROUP, "h", {"resourceGroupName": "h"})
    _card(account, "c")
    with pytest.raises(RefusedError, match=r"cannot create already existing resource '/subscriptions/.*/c'"):
        _card(account, "c")
    account.create(kinds.STORE, "s", {**_IN, "accountName": "backups"})
    with pytest.raises(RefusedError, match="StorageAccountAlreadyTaken"):
        account.create(kinds.STORE, "s", {"resourceGroupName": "h", "accountName": "backups"})
    with pytest.raises(RefusedError, match="AccountNameInvalid"):
        account.create(kinds.STORE, "s", {**_IN, "accountName": "my-backups"})


def test_what_is_locked_stays_and_a_group_takes_what_is_in_it(account: Account) -> None:
    """Machines that nobody knows of any more, too."""
    made, _ = account.create(kinds.MACHINE, "m", _machine("m", _card(account, "c")))
    lock, _ = account.create(kinds.LOCK, "l", {"scope": made, "lockName": "l", "level": "CanNotDelete"})
    group = account.all(kinds.GROUP)[0]["id"]
    for kind, id_ in ((kinds.MACHINE, made), (kinds.GROUP, group)):
        with pytest.raises(RefusedError, match=f"ScopeLocked.*{lock}"):
            account.delete(kind, id_, "x")
    account.delete(kinds.LOCK, lock, "l")
    account.delete(kinds.GROUP, group, "g")
    assert account.left() == []


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        ("SecurityRuleConflict", [{"name": "a", "priority": 100}, {"name": "b", "priority": 100}]),
        ("SecurityRuleInvalidPriority", [{"name": "a", "priority": 99}]),
        ("SecurityRuleInvalidAddressPrefix", [{"name": "a", "priority": 100, "sourceAddressPrefixes": ["10.0.0.0/8"]}]),
        ("SecurityRuleDescriptionTooLong", [{"name": "a", "priority": 100, "description": "x" * 141}]),
    ],
)
def test_rules_are_checked(account: Account, code: str, rules: list[dict[str, Any]]) -> None:
    """One source each, an order, and short words."""
    given = [{"direction": "Inbound", "sourceAddressPrefix": "*", **rule} for rule in rules]
    with pytest.raises(RefusedError, match=code):
        account.create(kinds.RULES, "r", {**_IN, "networkSecurityGroupName": "r", "securityRules": given})


@pytest.mark.parametrize(("name", "prefix"), [("t", "10.1.0.0/24"), ("t", "10.0.0.128/25")])
def test_subnets_lie_in_their_network_and_apart(account: Account, name: str, prefix: str) -> None:
    """As routers want it."""
    with pytest.raises(RefusedError, match=r"NetcfgInvalidSubnet|NetcfgSubnetRangesOverlap"):
        account.create(kinds.SUBNET, name, _subnet(name, prefix))


def test_an_address_stays_when_its_interface_changes(account: Account) -> None:
    """So that a host is where it was."""
    card = _card(account, "c")
    before = account.get(kinds.CARD, card)["ipConfigurations"][0]["privateIPAddress"]
    inputs = {
        key: value for key, value in account.get(kinds.CARD, card).items() if key in {*_IN, "networkInterfaceName"}
    }
    plugged = [{"name": "x", "subnet": {"id": account.all(kinds.SUBNET)[0]["id"]}}]
    account.update(kinds.CARD, card, "c", {**inputs, "ipConfigurations": plugged, "tags": {"a": "b"}})
    assert account.get(kinds.CARD, card)["ipConfigurations"][0]["privateIPAddress"] == before


def test_what_rules_let_in_is_what_machines_are_told(account: Account) -> None:
    """Up to the last word; without one, whatever is in the network, as Azure's own rules have it."""
    group, _ = account.create(kinds.MEMBERS, "a", {**_IN, "applicationSecurityGroupName": "a"})
    allowed = {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "priority": 100, "name": "x"}
    opened = {**allowed, "destinationPortRange": "22", "sourceApplicationSecurityGroups": [{"id": group}]}
    denied = {"direction": "Inbound", "access": "Deny", "protocol": "*", "priority": 4096, "name": "y"}
    closed = {**denied, "sourceAddressPrefix": "*", "destinationPortRange": "*"}
    found = {}
    for name, rules in (("open", [opened]), ("closed", [closed, opened])):
        inputs = {**_IN, "networkSecurityGroupName": name, "securityRules": rules}
        made, _ = account.create(kinds.RULES, name, inputs)
        account.create(kinds.MACHINE, name, _machine(name, _card(account, name, rules=made, member=group)))
    machines = account.all(kinds.MACHINE)
    found = {one["name"]: set(account.cloud.rules(account, one, machines)) for one in machines}
    both = frozenset({"10.0.0.4", "10.0.0.5"})
    assert found["closed"] == {Rule("tcp", 22, 22, both)}
    assert found["open"] == found["closed"] | {Rule("tcp", 1, 65535, both), Rule("udp", 1, 65535, both)}

"""Azure as the fake cloud has it: one subscription with one location, its errors, its security rules."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from installer.provision.values import UNKNOWN
from tests.fakes.cloud.azure_checks import (
    CARD,
    GROUP,
    LOCATION,
    LOCK,
    MACHINE,
    MEMBERS,
    NETWORK,
    RULES,
    STORE,
    SUBNET,
    SUBSCRIPTION,
)
from tests.fakes.cloud.azure_kinds import KINDS
from tests.fakes.cloud.cloud import Cloud, Data, Kind, RefusedError, Rule, at

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

_PROBE: Final = "168.63.129.16"  # where Azure's balancers ask from
_EVERYBODY: Final = "0.0.0.0/0"
_STATUS: Final = {"ResourceNotFound": 404, "ExpiredAuthenticationToken": 401, "TooManyRequests": 429}
_CONFLICT: Final = 409
_ADDRESSED: Final = {"ipConfigurations", "frontendIPConfigurations"}


class Azure(Cloud):
    """One subscription of Microsoft's, with one location of three zones."""

    package: ClassVar[str] = "azure-native"
    version: ClassVar[str] = "3.29.0"
    region: ClassVar[str] = LOCATION
    quota: ClassVar[Mapping[str, int]] = {"machines": 64, "addresses": 8, "encryptionAtHost": 1}
    kinds: ClassVar[Mapping[str, Kind]] = KINDS
    machine: ClassVar[str] = MACHINE

    def configure(self, account: Account, config: Data) -> None:
        subscription = config.get("subscriptionId")
        if subscription and not SUBSCRIPTION.endswith(f"/{subscription}"):
            raise RefusedError("SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")

    def told(self, refused: RefusedError) -> str:
        if refused.code == "AlreadyExists":  # the provider looks before it asks
            return refused.text
        return f'Status={_STATUS.get(refused.code, _CONFLICT)} Code="{refused.code}" Message="{refused.text}"'

    def auto_name(self, kind: str, name: str, inputs: Data) -> str:
        if kind.endswith(":RoleAssignment"):
            return str(uuid.uuid4())
        return name + secrets.token_hex(4)

    def previewed(self, kind: str, inputs: Data) -> Data:
        """Of what lies deeper, too, all is unknown that is not an input: addresses, and ids of parts."""
        found = dict(inputs)
        for key in _ADDRESSED & inputs.keys():
            found[key] = [{"privateIPAddress": UNKNOWN, "id": UNKNOWN, **one} for one in inputs[key]]
        if kind == MACHINE and inputs.get("identity"):
            found["identity"] = {**inputs["identity"], "userAssignedIdentities": UNKNOWN}
        return found

    def new_id(self, kind: str, name: str) -> str:
        raise AssertionError("every id is made of names here")

    def no_such(self, kind: str, path: str, value: Any) -> RefusedError:
        return RefusedError("ResourceNotFound", f"The {kind.rpartition(':')[2]} '{value}' of {path} was not found.")

    def duplicate(self, kind: str, values: list[Any]) -> RefusedError:
        if kind == STORE:
            return RefusedError(
                "StorageAccountAlreadyTaken", f"The storage account named {values[-1]} is already taken."
            )
        about = self.kinds[kind]
        id_ = about.id_of(dict(zip(about.unique, values, strict=True))) if about.id_of else ""
        return RefusedError("AlreadyExists", f"cannot create already existing resource '{id_}'")

    def in_use(self, id_: str, user: str) -> RefusedError:
        if "/locks/" in user:
            return RefusedError("ScopeLocked", f"The scope '{id_}' cannot perform delete operation: {user}")
        return RefusedError("ResourceInUse", f"{id_} is used by {user}")

    def stays(self, account: Account, kind: str, data: Data) -> None:
        if kind == GROUP and (locks := [one["id"] for one in account.all(LOCK) if one["scope"].startswith(data["id"])]):
            raise self.in_use(data["id"], locks[0])

    def updated(self, account: Account, kind: str, id_: str, inputs: Data) -> dict[str, Any]:
        return self.kinds[kind].made(account, id_, inputs)

    def invoke(self, account: Account, token: str, args: Data) -> dict[str, Any]:
        raise RefusedError("UnknownFunction", f"this fake has no {token}")

    def title(self, data: Data) -> str:
        return str(data["tags"]["name"])

    def user_data(self, data: Data) -> str:
        return base64.b64decode(data["osProfile"]["customData"]).decode()

    def address(self, account: Account, data: Data) -> str:
        return next(at(_card(account, data), "ipConfigurations.privateIPAddress"))

    def rules(self, account: Account, data: Data, running: Collection[Data]) -> Iterator[Rule]:
        inside = frozenset(self.address(account, one) for one in running)
        found = [account.get(RULES, one) for one in at(_card(account, data), "networkSecurityGroup.id")]
        inbound = [one for rules in found for one in rules["securityRules"] if one["direction"] == "Inbound"]
        for rule in sorted(inbound, key=lambda one: one["priority"]):
            if rule["access"] == "Deny":  # of everything: the policy has it that there is no other
                return
            first, _, last = rule["destinationPortRange"].partition("-")
            sources = frozenset(self._sources(account, rule, running, inside))
            if sources:
                yield Rule(rule["protocol"].lower(), int(first), int(last or first), sources)
        for protocol in ("tcp", "udp"):  # Azure's own last rule but one
            yield Rule(protocol, 1, 65535, inside)

    def _sources(
        self, account: Account, rule: Data, running: Collection[Data], inside: Collection[str]
    ) -> Iterator[str]:
        match rule.get("sourceAddressPrefix"):
            case "VirtualNetwork":
                yield from inside
            case "AzureLoadBalancer":
                yield _PROBE
            case "*" | "Internet":
                yield _EVERYBODY
            case str() as prefix:
                yield prefix
        yield from rule.get("sourceAddressPrefixes") or ()
        groups = set(at(rule, "sourceApplicationSecurityGroups.id"))
        for one in running:
            if groups & set(at(_card(account, one), "ipConfigurations.applicationSecurityGroups.id")):
                yield self.address(account, one)


def give_network(account: Account, cidr: str, hosts: str, bastion: str) -> tuple[str, str]:
    """A network that somebody else made: ids of its subnets for hosts and for the bastion."""
    group = "shared"
    account.give(GROUP, f"{SUBSCRIPTION}/resourceGroups/{group}", {"resourceGroupName": group})
    at_ = f"{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/all"
    space = {"addressSpace": {"addressPrefixes": [cidr]}}
    account.give(NETWORK, at_, {"resourceGroupName": group, "virtualNetworkName": "all", **space})
    made = []
    for name, prefix in (("apps", hosts), ("edge", bastion)):
        inputs = {"resourceGroupName": group, "virtualNetworkName": "all", "subnetName": name, "addressPrefix": prefix}
        made.append(account.give(SUBNET, f"{at_}/subnets/{name}", inputs))
    return made[0], made[1]


def members(account: Account, title: str) -> list[str]:
    """The names of the groups that a machine is in."""
    found = at(_card(account, account.machine(title)), "ipConfigurations.applicationSecurityGroups.id")
    return [account.get(MEMBERS, id_)["name"] for id_ in found]


def _card(account: Account, machine: Data) -> Data:
    (card,) = at(machine, "networkProfile.networkInterfaces.id")
    return account.get(CARD, card)

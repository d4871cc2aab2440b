"""Who may reach what on Azure: security groups with the rules of installer/spec/ports.py, and no others.

A network security group is a role's, on the network interface of each of its hosts; an application security group is
how rules name the hosts of a role. https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

import pulumi
from pulumi_azure_native.network.application_security_group import ApplicationSecurityGroup
from pulumi_azure_native.network.network_security_group import NetworkSecurityGroup

from installer.spec.base import Role
from installer.spec.ports import SSH, Port, Source
from stacks.azure.place import Place

_FIRST, _STEP, _LAST = 100, 10, 4096  # priorities: rules of our own between these, the last word at the end
_LONGEST: Final = 140  # of a description
_WEB: Final = ("80", "443")
_ANY: Final = {"source_port_range": "*", "source_address_prefix": "*", "destination_address_prefix": "*"}


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """`sources` may log in, `published` may reach clusters' ports, in `joined` are hosts of other regions.

    `roles`: of the hosts that there are.
    """

    place: Place
    public: bool
    sources: Sequence[IPv4Network]
    published: Sequence[IPv4Network]
    joined: Sequence[IPv4Network]
    roles: Sequence[Role]
    ports: Sequence[Port]


class Firewall(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`rules` and `members` by role, and of the bastion where hosts are not public: what an interface is given."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Firewall", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        names = (*args.roles, *(() if args.public else ("bastion",)))
        self.members = {role: self._group(role) for role in names}
        self.rules: dict[str, NetworkSecurityGroup] = {}
        for role in args.roles:
            self.rules[role] = self._rules(role, list(self._into(role)))
        if not args.public:
            self.rules["bastion"] = self._rules("bastion", [*self._into_bastion(), *self._out_of_bastion()])
        self.register_outputs({})

    def _group(self, role: str) -> ApplicationSecurityGroup:
        return ApplicationSecurityGroup(
            role, **self._args.place.of(role), application_security_group_name=role, opts=self._child
        )

    def _rules(self, role: str, rules: Sequence[dict[str, Any]]) -> NetworkSecurityGroup:
        numbered = [{**rule, "priority": _FIRST + _STEP * index} for index, rule in enumerate(rules)]
        # Without these, whatever is in the network, or in one that it is peered with, may come in: Azure's own rules.
        numbered += [_denied(direction) for direction in sorted({"Inbound", *(rule["direction"] for rule in rules)})]
        return NetworkSecurityGroup(
            role,
            **self._args.place.of(role),
            network_security_group_name=role,
            security_rules=numbered,
            opts=self._child,
        )

    def _into(self, role: str) -> Iterator[dict[str, Any]]:
        for port in self._args.ports:
            for peer, where in self._peers(port).items() if role in port.on else ():
                yield _let_in(port, peer, where)

    def _peers(self, port: Port) -> Mapping[str, dict[str, Any]]:
        """Who a port's sources are here, each once."""
        args = self._args
        found: dict[str, dict[str, Any]] = {}
        joined = _ranges("joined", args.joined) if port.joins else {}
        for source in port.sources:
            match source:
                case Source.YOU:
                    found |= _ranges("you", args.sources) if args.public else self._hosts("bastion")
                case Source.BALANCER:  # it passes packets on as they are, and asks itself whether a manager is well
                    found |= _tagged("AzureLoadBalancer")
                    found |= {} if args.public else _tagged("VirtualNetwork")
                case Source.MANAGERS:
                    found |= self._hosts("manager") | joined
                case Source.HOSTS:
                    found |= self._hosts("manager", "worker") | joined
                case Source.DEDICATED:
                    found |= self._hosts("dedicated") | joined
                case Source.USERS:
                    found |= _ranges("users", args.published)
        return found

    def _hosts(self, *roles: str) -> dict[str, dict[str, Any]]:
        """Those of them that there are."""
        there = [role for role in roles if role in self.members]
        return {role: {"source_application_security_groups": [{"id": self.members[role].id}]} for role in there}

    def _into_bastion(self) -> Iterator[dict[str, Any]]:
        for peer, where in _ranges("you", self._args.sources).items():
            yield _let_in(SSH, peer, where)

    def _out_of_bastion(self) -> Iterator[dict[str, Any]]:
        """It leads to what `you` may reach, and fetches its updates."""
        for port in self._args.ports:
            there = [role for role in port.on if role in self._args.roles]
            for role in there if Source.YOU in port.sources else ():
                yield _let_out(
                    f"{role}-{port.range}",
                    destination_application_security_groups=[{"id": self.members[role].id}],
                    destination_port_range=port.range,
                )
        for number in _WEB:
            yield _let_out(f"web-{number}", destination_address_prefix="Internet", destination_port_range=number)


def _let_in(port: Port, peer: str, where: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{port.protocol}-{port.range}-from-{peer}",
        "description": port.what[:_LONGEST],
        "direction": "Inbound",
        "access": "Allow",
        "protocol": port.protocol.capitalize(),
        "source_port_range": "*",
        "destination_address_prefix": "*",
        "destination_port_range": port.range,
        **where,
    }


def _let_out(name: str, **where: Any) -> dict[str, Any]:
    return {
        "name": f"to-{name}",
        "direction": "Outbound",
        "access": "Allow",
        "protocol": "Tcp",
        "source_port_range": "*",
        "source_address_prefix": "*",
        **where,
    }


def _denied(direction: str) -> dict[str, Any]:
    return {
        "name": f"nothing-else-{direction.lower()}",
        "priority": _LAST,
        "direction": direction,
        "access": "Deny",
        "protocol": "*",
        "destination_port_range": "*",
        **_ANY,
    }


def _ranges(who: str, networks: Sequence[IPv4Network]) -> dict[str, dict[str, Any]]:
    return {who: {"source_address_prefixes": [str(network) for network in networks]}} if networks else {}


def _tagged(tag: str) -> dict[str, dict[str, Any]]:
    return {tag: {"source_address_prefix": tag}}

"""Who may reach what on AWS: security groups with the rules of installer/spec/ports.py, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

import pulumi
from pulumi_aws.ec2.security_group import SecurityGroup
from pulumi_aws.vpc.security_group_egress_rule import SecurityGroupEgressRule
from pulumi_aws.vpc.security_group_ingress_rule import SecurityGroupIngressRule

from installer.spec.base import Role
from installer.spec.ports import API, SSH, Port, Source
from stacks.common.fronts import Front
from stacks.common.tags import Tags

_ANYWHERE: Final = "0.0.0.0/0"
_NOT_IN_DESCRIPTIONS: Final = re.compile(r"[^A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]")
_WEB: Final = (80, 443)


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """`sources` may log in, `published` may reach clusters' ports, in `joined` are hosts of other regions.

    `range`: the network's own addresses. `roles`: of the hosts that there are.
    """

    vpc_id: pulumi.Input[str]
    range: pulumi.Input[str]
    public: bool
    sources: Sequence[IPv4Network]
    published: Sequence[IPv4Network]
    joined: Sequence[IPv4Network]
    roles: Sequence[Role]
    fronts: Sequence[Front]
    ports: Sequence[Port]
    tags: Tags


class Firewall(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`groups`: by role, of balancers by their fronts' names, and of the bastion where hosts are not public."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Firewall", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        balancers = [front.name for front in args.fronts]
        names = (*args.roles, *balancers, *(() if args.public else ("bastion",)))
        self.groups = {group: self._group(group) for group in names}
        for port in args.ports:
            for role in self._having(port):
                for peer, where in self._peers(port):
                    self._allow(role, port, peer, where)
        for role in args.roles:
            self._egress(role, "anywhere", {"ip_protocol": "-1", "cidr_ipv4": _ANYWHERE}, "Images, updates, each other")
        for front in args.fronts:
            self._open_balancer(front)
        if not args.public:
            self._open_bastion()
        self.register_outputs({})

    def _group(self, name: str) -> SecurityGroup:
        return SecurityGroup(
            name,
            vpc_id=self._args.vpc_id,
            description=f"{self._args.tags.platform}: {name}",
            tags=self._args.tags.of(name),
            opts=self._child,
        )

    def _peers(self, port: Port) -> Iterator[tuple[str, dict[str, Any]]]:
        """Who a port's sources are here, each once."""
        found: dict[str, dict[str, Any]] = {}
        joined = _ranges(self._args.joined) if port.joins else {}
        for source in port.sources:
            match source:
                case Source.YOU:
                    found |= _ranges(self._args.sources) if self._args.public else self._members("bastion")
                case Source.BALANCER:
                    found |= self._members(*(front.name for front in self._args.fronts))
                case Source.MANAGERS:
                    found |= self._members("manager") | joined
                case Source.HOSTS:
                    found |= self._members("manager", "worker") | joined
                case Source.DEDICATED:
                    found |= self._members("dedicated") | joined
                case Source.USERS:
                    balancers = [front.name for front in self._args.fronts if port in front.ports]
                    found |= self._members(*balancers) if balancers else _ranges(self._args.published)
        yield from found.items()

    def _having(self, port: Port) -> Iterator[Role]:
        return (role for role in port.on if role in self._args.roles)

    def _members(self, *groups: str) -> dict[str, dict[str, Any]]:
        """Those of them that there are."""
        there = [group for group in groups if group in self.groups]
        return {group: {"referenced_security_group_id": self.groups[group].id} for group in there}

    def _allow(self, group: str, port: Port, peer: str, where: dict[str, Any]) -> None:
        SecurityGroupIngressRule(
            f"{group}-{port.protocol}-{port.range}-from-{peer}",
            security_group_id=self.groups[group].id,
            ip_protocol=port.protocol,
            from_port=port.first,
            to_port=port.last,
            description=_NOT_IN_DESCRIPTIONS.sub("", port.what),
            tags=self._args.tags.of(f"{group}-{port.range}"),
            opts=self._child,
            **where,
        )

    def _egress(self, group: str, name: str, where: dict[str, Any], why: str) -> None:
        SecurityGroupEgressRule(
            f"{group}-to-{name}",
            security_group_id=self.groups[group].id,
            description=why,
            tags=self._args.tags.of(f"{group}-to-{name}"),
            opts=self._child,
            **where,
        )

    def _open_balancer(self, front: Front) -> None:
        """It passes on the manager's API to whoever may log in, or, where nothing is public, to the network.

        Ports of clusters are passed on to those that they are published to.
        """
        args = self._args
        inside = _ranges(args.sources) if args.public else {"network": {"cidr_ipv4": args.range}}
        for port in front.ports:
            for peer, where in (inside if port == API else _ranges(args.published)).items():
                self._allow(front.name, port, peer, where)
        for port in dict.fromkeys((API, *front.ports)):  # the API is how it asks whether a manager is well
            where = _port(port) | self._members("manager")["manager"]
            self._egress(front.name, f"manager-{port.range}", where, "The managers")

    def _open_bastion(self) -> None:
        """It is logged in to, leads to what `you` may reach, and fetches its updates."""
        for peer, where in _ranges(self._args.sources).items():
            self._allow("bastion", SSH, peer, where)
        for port in self._args.ports:
            for role in self._having(port) if Source.YOU in port.sources else ():
                where = _port(port) | self._members(role)[role]
                self._egress("bastion", f"{role}-{port.range}", where, "Whoever came in")
        for number in _WEB:
            where = {"ip_protocol": "tcp", "from_port": number, "to_port": number, "cidr_ipv4": _ANYWHERE}
            self._egress("bastion", f"web-{number}", where, "Updates")


def _port(port: Port) -> dict[str, Any]:
    return {"ip_protocol": port.protocol, "from_port": port.first, "to_port": port.last}


def _ranges(networks: Sequence[IPv4Network]) -> dict[str, dict[str, Any]]:
    return {str(network): {"cidr_ipv4": str(network)} for network in networks}

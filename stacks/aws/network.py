"""Where hosts are on AWS: a network with a public and a private subnet in each zone, or one that exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws.ec2.eip import Eip
from pulumi_aws.ec2.get_vpc import get_vpc_output
from pulumi_aws.ec2.internet_gateway import InternetGateway
from pulumi_aws.ec2.nat_gateway import NatGateway
from pulumi_aws.ec2.route import Route
from pulumi_aws.ec2.route_table import RouteTable
from pulumi_aws.ec2.route_table_association import RouteTableAssociation
from pulumi_aws.ec2.subnet import Subnet
from pulumi_aws.ec2.vpc import Vpc
from pulumi_aws.get_availability_zones import get_availability_zones_output

from installer.spec.aws import ExistingNetwork, OwnNetwork
from stacks.common.tags import Tags
from stacks.common.zones import one_of

_ANYWHERE: Final = "0.0.0.0/0"
_PIECES: Final = 4  # bits: sixteen subnets, of which a zone has one for hosts and one that is public
_LETTERS: Final = "abcdefgh"

Subnets = Mapping[str, pulumi.Input[str]]  # by zone


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """`zones`: letters of those that hosts are in. `public`: hosts have public addresses, so no private subnets."""

    region: str
    network: OwnNetwork | ExistingNetwork
    zones: Sequence[str]
    public: bool
    tags: Tags


class Network(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`private` and `public` have a subnet a zone; `range` is all of the network's addresses.

    Whatever has a public address depends on `way_out`: it cannot come before that, nor that go before it.
    """

    vpc_id: pulumi.Input[str]
    range: pulumi.Input[str]
    private: Subnets
    public: Subnets
    way_out: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Network", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self.way_out = ()
        if isinstance(args.network, ExistingNetwork):
            self._find(args.network)
        else:
            self._make(args.network)
        self.register_outputs({"vpcId": self.vpc_id})

    def _find(self, network: ExistingNetwork) -> None:
        found = get_vpc_output(id=network.vpc, opts=pulumi.InvokeOutputOptions(parent=self))
        self.vpc_id, self.range = found.id, found.cidr_block
        self.private, self.public = dict(network.subnets), dict(network.public_subnets)

    def _make(self, network: OwnNetwork) -> None:
        args = self._args
        vpc = Vpc(
            "vpc",
            cidr_block=str(network.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=args.tags.of("network"),
            opts=self._child,
        )
        self.vpc_id, self.range = vpc.id, str(network.cidr)
        pieces = list(network.cidr.subnets(_PIECES))
        available = get_availability_zones_output(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],  # no local zones
            opts=pulumi.InvokeOutputOptions(parent=self),
        )

        def subnet(kind: str, zone: str, first: int) -> Subnet:
            wanted = f"{args.region}{zone}"
            return Subnet(
                f"{kind}-{zone}",
                vpc_id=vpc.id,
                cidr_block=str(pieces[first + _LETTERS.index(zone)]),
                availability_zone=available.names.apply(lambda names: one_of(wanted, names)),
                map_public_ip_on_launch=False,
                tags=args.tags.of(f"{kind}-{zone}"),
                opts=self._child,
            )

        public = {zone: subnet("public", zone, 8) for zone in args.zones}
        private = {} if args.public else {zone: subnet("private", zone, 0) for zone in args.zones}
        self._lead_out(vpc, public)
        if private:
            self._lead_out_by_gateways(vpc, network, public, private)
        self.public = {zone: made.id for zone, made in public.items()}
        self.private = {zone: made.id for zone, made in private.items()}

    def _lead_out(self, vpc: Vpc, public: Mapping[str, Subnet]) -> None:
        """Public subnets reach the internet, and are reached from it."""
        tags = self._args.tags
        gateway = InternetGateway("internet", vpc_id=vpc.id, tags=tags.of("internet"), opts=self._child)
        table = self._table("public", vpc)
        Route(
            "public-out",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        self._associate("public", public, dict.fromkeys(public, table))
        self.way_out = (gateway,)

    def _lead_out_by_gateways(
        self, vpc: Vpc, network: OwnNetwork, public: Mapping[str, Subnet], private: Mapping[str, Subnet]
    ) -> None:
        """Private subnets reach the internet through a gateway, if they are to, and nothing reaches them."""
        own = network.nat == "zone"
        first = next(iter(private))
        tables = {zone: self._table(f"private-{zone}", vpc) for zone in (private if own else [first])}
        for zone, table in tables.items() if network.nat != "none" else ():
            gateway = self._nat(zone, public[zone])
            Route(
                f"private-{zone}-out",
                route_table_id=table.id,
                destination_cidr_block=_ANYWHERE,
                nat_gateway_id=gateway.id,
                opts=self._child,
            )
        self._associate("private", private, {zone: tables[zone if own else first] for zone in private})

    def _nat(self, zone: str, subnet: Subnet) -> NatGateway:
        tags = self._args.tags
        behind = pulumi.ResourceOptions(parent=self, depends_on=list(self.way_out))
        address = Eip(f"nat-{zone}", domain="vpc", tags=tags.of(f"nat-{zone}"), opts=behind)
        return NatGateway(
            f"nat-{zone}", allocation_id=address.id, subnet_id=subnet.id, tags=tags.of(f"nat-{zone}"), opts=behind
        )

    def _table(self, name: str, vpc: Vpc) -> RouteTable:
        return RouteTable(name, vpc_id=vpc.id, tags=self._args.tags.of(name), opts=self._child)

    def _associate(self, kind: str, subnets: Mapping[str, Subnet], tables: Mapping[str, RouteTable]) -> None:
        for zone, subnet in subnets.items():
            RouteTableAssociation(
                f"{kind}-{zone}", subnet_id=subnet.id, route_table_id=tables[zone].id, opts=self._child
            )

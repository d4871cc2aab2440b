"""Where hosts are on Azure: a network with a subnet for hosts and one for the bastion, or one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native.network.nat_gateway import NatGateway
from pulumi_azure_native.network.public_ip_address import PublicIPAddress
from pulumi_azure_native.network.subnet import Subnet
from pulumi_azure_native.network.virtual_network import VirtualNetwork

from installer.spec.azure import AzureExistingNetwork, AzureOwnNetwork
from stacks.azure.place import ADDRESS, Place

_FOR_HOSTS, _FOR_THE_BASTION = 1, 4  # bits: the first half of the network, and the last sixteenth
_NAME: Final = "network"


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """`public`: hosts have public addresses, so there is no gateway and no bastion."""

    place: Place
    network: AzureOwnNetwork | AzureExistingNetwork
    public: bool


class Network(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`hosts` and `bastion` are ids of subnets, each in all zones.

    What has to fetch something depends on `way_out`: it cannot come before that.
    """

    hosts: pulumi.Input[str]
    bastion: pulumi.Input[str] | None
    way_out: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Network", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        if isinstance(args.network, AzureExistingNetwork):
            self.hosts, self.bastion, self.way_out = args.network.subnet, args.network.bastion_subnet, ()
        else:
            self._make(args.network)
        self.register_outputs({"hosts": self.hosts})

    def _make(self, network: AzureOwnNetwork) -> None:
        place, public = self._args.place, self._args.public
        made = VirtualNetwork(
            _NAME,
            **place.of(_NAME),
            virtual_network_name=_NAME,
            address_space={"address_prefixes": [str(network.cidr)]},
            opts=self._child,
        )
        gateway = None if public or network.nat == "none" else self._gateway()
        hosts = Subnet(
            "hosts",
            resource_group_name=place.group,
            virtual_network_name=made.name,
            subnet_name="hosts",
            address_prefix=str(next(network.cidr.subnets(_FOR_HOSTS))),
            nat_gateway={"id": gateway.id} if gateway else None,
            default_outbound_access=False,  # there is a gateway, an address of the host's own, or no way out
            opts=self._child,
        )
        self.hosts, self.bastion, self.way_out = hosts.id, None, (hosts,)
        if not public:
            # Azure changes one subnet of a network at a time, so one waits for the other.
            after = pulumi.ResourceOptions(parent=self, depends_on=[hosts])
            self.bastion = Subnet(
                "bastion",
                resource_group_name=place.group,
                virtual_network_name=made.name,
                subnet_name="bastion",
                address_prefix=str(list(network.cidr.subnets(_FOR_THE_BASTION))[-1]),
                default_outbound_access=False,
                opts=after,
            ).id

    def _gateway(self) -> NatGateway:
        place = self._args.place
        address = PublicIPAddress("nat", **place.of("nat"), public_ip_address_name="nat", **ADDRESS, opts=self._child)
        return NatGateway(
            "nat",
            **place.of("nat"),
            nat_gateway_name="nat",
            sku={"name": "Standard"},
            public_ip_addresses=[{"id": address.id}],
            opts=self._child,
        )

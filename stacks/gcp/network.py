"""Where hosts are on Google Cloud: a network with one subnet, which reaches over all zones, or one that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp.compute.get_subnetwork import get_subnetwork_output
from pulumi_gcp.compute.get_zones import get_zones_output
from pulumi_gcp.compute.network import Network as Vpc
from pulumi_gcp.compute.router import Router
from pulumi_gcp.compute.router_nat import RouterNat
from pulumi_gcp.compute.subnetwork import Subnetwork

from installer.spec.gcp import GcpExistingNetwork, GcpOwnNetwork
from stacks.common.tags import Tags
from stacks.common.zones import one_of
from stacks.gcp.names import about, named


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """`zones`: letters of those that hosts are in. `public`: hosts have public addresses, so no gateway."""

    region: str
    network: GcpOwnNetwork | GcpExistingNetwork
    zones: Sequence[str]
    public: bool
    tags: Tags


class Network(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`network` and `subnet` by their links; `range` is all of the subnet's addresses; `zones`: full names by letter.

    What is to reach the internet depends on `way_out`.
    """

    network: pulumi.Input[str]
    subnet: pulumi.Input[str]
    range: pulumi.Input[str]
    way_out: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Network", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        asked = pulumi.InvokeOutputOptions(parent=self)
        available = get_zones_output(region=args.region, status="UP", opts=asked).names
        self.zones = {letter: self._zone(letter, available) for letter in args.zones}
        self.way_out = ()
        if isinstance(args.network, GcpExistingNetwork):
            found = get_subnetwork_output(name=args.network.subnet, region=args.region, opts=asked)
            self.network, self.subnet, self.range = found.network, found.self_link, found.ip_cidr_range
        else:
            self._make(args.network)
        self.register_outputs({"network": self.network})

    def _zone(self, letter: str, available: pulumi.Output[list[str]]) -> pulumi.Output[str]:
        wanted = f"{self._args.region}-{letter}"
        return available.apply(lambda names: one_of(wanted, names))

    def _make(self, wanted: GcpOwnNetwork) -> None:
        tags, region = self._args.tags, self._args.region
        vpc = Vpc(
            named(tags, "network"),
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            description=about(tags, "network"),
            opts=self._child,
        )
        subnet = Subnetwork(
            named(tags, "hosts"),
            network=vpc.self_link,
            region=region,
            ip_cidr_range=str(wanted.cidr),
            private_ip_google_access=True,  # Google's own services, such as the bucket, without a way out
            description=about(tags, "hosts"),
            opts=self._child,
        )
        self.network, self.subnet, self.range = vpc.self_link, subnet.self_link, str(wanted.cidr)
        if wanted.nat != "none" and not self._args.public:
            self.way_out = (self._lead_out(vpc, subnet),)

    def _lead_out(self, vpc: Vpc, subnet: Subnetwork) -> RouterNat:
        """Hosts reach the internet, and nothing reaches them."""
        tags, region = self._args.tags, self._args.region
        router = Router(
            named(tags, "router"),
            network=vpc.self_link,
            region=region,
            description=about(tags, "way out"),
            opts=self._child,
        )
        return RouterNat(
            named(tags, "nat"),
            router=router.name,
            region=region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[{"name": subnet.self_link, "source_ip_ranges_to_nats": ["ALL_IP_RANGES"]}],
            opts=self._child,
        )

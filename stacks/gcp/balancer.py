"""TCP balancers before the managers on Google Cloud, which pass packets on as they come: of their API, of clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp.compute.forwarding_rule import ForwardingRule
from pulumi_gcp.compute.instance_group import InstanceGroup
from pulumi_gcp.compute.region_backend_service import RegionBackendService
from pulumi_gcp.compute.region_health_check import RegionHealthCheck

from installer.spec.ports import API, Port
from stacks.common.fronts import Front
from stacks.common.tags import Tags
from stacks.gcp.names import about, named


@dataclass(frozen=True, kw_only=True)
class BalancersArgs:
    """`managers`: instances' links by the letter of their zone."""

    fronts: Sequence[Front]
    region: str
    network: pulumi.Input[str]
    subnet: pulumi.Input[str]
    zones: Mapping[str, pulumi.Input[str]]
    managers: Mapping[str, Sequence[pulumi.Input[str]]]
    tags: Tags


class Balancers(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`addresses`: of what is balanced, IPv4. They have the managers' groups in common: an instance is in one only."""

    def __init__(self, name: str, args: BalancersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Balancers", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        self.addresses: dict[Port, pulumi.Output[str]] = {}
        if args.fronts:
            self._make(named(args.tags, name), about(args.tags, "managers"))
        self.register_outputs({})

    def _make(self, called: str, told: str) -> None:
        args = self._args
        groups = [
            InstanceGroup(
                f"{called}-{letter}",
                zone=args.zones[letter],
                instances=list(instances),
                description=told,
                opts=self._child,
            )
            for letter, instances in sorted(args.managers.items())
        ]
        check = RegionHealthCheck(
            called,
            region=args.region,
            https_health_check={"port": API.first, "request_path": "/readyz"},
            check_interval_sec=10,
            description=told,
            opts=self._child,
        )
        for front in args.fronts:
            service = RegionBackendService(
                named(args.tags, front.name),
                region=args.region,
                load_balancing_scheme=_scheme(front),
                protocol="TCP",
                backends=[{"group": group.self_link, "balancing_mode": "CONNECTION"} for group in groups],
                health_checks=check.self_link,
                connection_draining_timeout_sec=30,
                description=told,
                opts=self._child,
            )
            for port in front.ports:
                self.addresses[port] = self._address("api" if port == API else "clusters", front, port, service)

    def _address(self, name: str, front: Front, port: Port, service: RegionBackendService) -> pulumi.Output[str]:
        """Inside, five ports can be named, or all; what comes in is the firewall's to say."""
        args, named_one = self._args, port.first == port.last
        rule = ForwardingRule(
            name,
            region=args.region,
            load_balancing_scheme=_scheme(front),
            ip_protocol="TCP",
            ports=[port.range] if named_one and not front.public else None,
            all_ports=None if named_one or front.public else True,
            port_range=port.range if front.public else None,
            backend_service=service.self_link,
            network=None if front.public else args.network,
            subnetwork=None if front.public else args.subnet,
            labels=args.tags.of(name),
            opts=self._child,
        )
        return rule.ip_address


def _scheme(front: Front) -> str:
    return "EXTERNAL" if front.public else "INTERNAL"

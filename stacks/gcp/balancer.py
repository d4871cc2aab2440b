"""A TCP balancer before the manager's API servers on Google Cloud: it passes packets on as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp.compute.forwarding_rule import ForwardingRule
from pulumi_gcp.compute.instance_group import InstanceGroup
from pulumi_gcp.compute.region_backend_service import RegionBackendService
from pulumi_gcp.compute.region_health_check import RegionHealthCheck

from installer.spec.ports import API
from stacks.common.tags import Tags
from stacks.gcp.names import about, named


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`managers`: instances' links by the letter of their zone. `public`: with an address that the internet reaches."""

    region: str
    network: pulumi.Input[str]
    subnet: pulumi.Input[str]
    zones: Mapping[str, pulumi.Input[str]]
    managers: Mapping[str, Sequence[pulumi.Input[str]]]
    public: bool
    tags: Tags


class ManagerBalancer(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`address`: an IPv4 address."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:ManagerBalancer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        called, told = named(args.tags, name), about(args.tags, "the manager's API")
        scheme = "EXTERNAL" if args.public else "INTERNAL"
        groups = [
            InstanceGroup(
                f"{called}-{letter}",
                zone=args.zones[letter],
                instances=list(instances),
                description=told,
                opts=child,
            )
            for letter, instances in sorted(args.managers.items())
        ]
        check = RegionHealthCheck(
            called,
            region=args.region,
            https_health_check={"port": API.first, "request_path": "/readyz"},
            check_interval_sec=10,
            description=told,
            opts=child,
        )
        service = RegionBackendService(
            called,
            region=args.region,
            load_balancing_scheme=scheme,
            protocol="TCP",
            backends=[{"group": group.self_link, "balancing_mode": "CONNECTION"} for group in groups],
            health_checks=check.self_link,
            connection_draining_timeout_sec=30,
            description=told,
            opts=child,
        )
        rule = ForwardingRule(
            name,
            region=args.region,
            load_balancing_scheme=scheme,
            ip_protocol="TCP",
            ports=None if args.public else [str(API.first)],
            port_range=str(API.first) if args.public else None,
            backend_service=service.self_link,
            network=None if args.public else args.network,
            subnetwork=None if args.public else args.subnet,
            labels=args.tags.of(name),
            opts=child,
        )
        self.address: pulumi.Output[str] = rule.ip_address
        self.register_outputs({"address": self.address})

"""TCP balancers before the managers on AWS: of their API, and of ports of clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.lb.target_group_attachment import TargetGroupAttachment

from installer.spec.ports import API
from stacks.common.fronts import Front
from stacks.common.tags import Tags


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`managers`: instance ids by host."""

    front: Front
    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]
    managers: Mapping[str, pulumi.Input[str]]
    after: Sequence[pulumi.Resource]  # what must be there first
    tags: Tags


class Balancer(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`address`: its name in the DNS. A listener has one port: there is one, with a group of its own, for each."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Balancer", name, None, opts)
        self._args = args
        balancer = LoadBalancer(
            name,
            load_balancer_type="network",
            internal=not args.front.public,
            subnets=list(args.subnets),
            security_groups=[args.security_group],
            enable_cross_zone_load_balancing=True,
            tags=args.tags.of(name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        for port in args.front.ports:
            for number in range(port.first, port.last + 1):
                self._pass_on(balancer, number, name if port == API else f"{name}-{number}")
        self.address: pulumi.Output[str] = balancer.dns_name
        self.register_outputs({"address": self.address})

    def _pass_on(self, balancer: LoadBalancer, port: int, name: str) -> None:
        args, child, tags = self._args, pulumi.ResourceOptions(parent=self), self._args.tags.of(name)
        group = TargetGroup(
            name,
            vpc_id=args.vpc_id,
            port=port,
            protocol="TCP",
            target_type="instance",
            health_check={"protocol": "HTTPS", "path": "/readyz", "interval": 10, "port": str(API.first)},
            deregistration_delay=30,
            tags=tags,
            opts=child,
        )
        Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[{"type": "forward", "target_group_arn": group.arn}],
            tags=tags,
            opts=child,
        )
        for host, instance in args.managers.items():
            TargetGroupAttachment(
                f"{name}-{host}", target_group_arn=group.arn, target_id=instance, port=port, opts=child
            )

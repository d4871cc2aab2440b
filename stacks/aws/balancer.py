"""A TCP balancer before the manager's API servers on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws.lb.listener import Listener
from pulumi_aws.lb.load_balancer import LoadBalancer
from pulumi_aws.lb.target_group import TargetGroup
from pulumi_aws.lb.target_group_attachment import TargetGroupAttachment

from installer.spec.ports import API
from stacks.common.tags import Tags


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`managers`: instance ids by host. `public`: with addresses that the internet reaches."""

    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]
    managers: Mapping[str, pulumi.Input[str]]
    public: bool
    after: Sequence[pulumi.Resource]  # what must be there first
    tags: Tags


class ManagerBalancer(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`address`: its name in the DNS."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:ManagerBalancer", name, None, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.tags.of(name)
        balancer = LoadBalancer(
            name,
            load_balancer_type="network",
            internal=not args.public,
            subnets=list(args.subnets),
            security_groups=[args.security_group],
            enable_cross_zone_load_balancing=True,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        group = TargetGroup(
            name,
            vpc_id=args.vpc_id,
            port=API.first,
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
            port=API.first,
            protocol="TCP",
            default_actions=[{"type": "forward", "target_group_arn": group.arn}],
            tags=tags,
            opts=child,
        )
        for host, instance in args.managers.items():
            TargetGroupAttachment(
                f"{name}-{host}", target_group_arn=group.arn, target_id=instance, port=API.first, opts=child
            )
        self.address: pulumi.Output[str] = balancer.dns_name
        self.register_outputs({"address": self.address})

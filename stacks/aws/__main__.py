"""The stack of a region on AWS: a network, who may come in, hosts spread over zones, a balancer, a bucket."""

import itertools

import pulumi
from pulumi_aws.provider import Provider

from installer.spec.hosts import hosts_of, roles_of
from installer.spec.ports import API, Port, of_clusters, ports
from stacks.aws.backups import Backups, BackupsArgs
from stacks.aws.balancer import Balancer, BalancerArgs
from stacks.aws.firewall import Firewall, FirewallArgs
from stacks.aws.machines import Bastion, BastionArgs, Host, HostArgs, MachineArgs, image_id
from stacks.aws.network import Network, NetworkArgs
from stacks.common.fronts import fronts
from stacks.common.outputs import export_region
from stacks.common.settings import Settings
from stacks.common.tags import Tags

settings = Settings.read()
region, given = settings.region, settings.region.provider
access, tags = given.access, Tags(platform=settings.platform, region=region.name, own=given.tags)
roles = roles_of(region)
balanced = fronts(access, settings.network) if "manager" in roles else ()
zones = sorted({zone for group in region.hosts for zone in group.zones})
at = pulumi.ResourceOptions(providers=[Provider("aws", region=given.region)])

network = Network(
    "network",
    NetworkArgs(region=given.region, network=given.network, zones=zones, public=access.public, tags=tags),
    at,
)
subnets = network.public if access.public else network.private
firewall = Firewall(
    "firewall",
    FirewallArgs(
        vpc_id=network.vpc_id,
        range=network.range,
        public=access.public,
        sources=access.sources,
        published=access.published,
        joined=access.joined,
        roles=roles,
        fronts=balanced,
        ports=list(ports(settings.network, balanced=access.cluster_balancer != "none")),
        tags=tags,
    ),
    at,
)
backups = Backups("backups", BackupsArgs(keep=given.backups.keep, tags=tags), at) if given.backups else None
machines = MachineArgs(
    image=image_id(given.image, pulumi.InvokeOutputOptions(parent=network)),
    public_keys=[settings.public_key, *access.keys],
    tags=tags,
)
bastion = None
if not access.public:
    place = next(iter(network.public.values()))
    group = firewall.groups["bastion"].id
    bastion = Bastion(
        "bastion",
        BastionArgs(
            common=machines,
            instance_type=access.bastion_type,
            subnet=place,
            security_group=group,
            after=network.way_out,
        ),
        at,
    )
groups = itertools.chain.from_iterable([group] * group.count for group in region.hosts)
hosts = {
    wanted.name: Host(
        wanted.name,
        HostArgs(
            common=machines,
            wanted=wanted,
            group=group,
            zone=f"{given.region}{wanted.zone}",
            subnet=subnets[wanted.zone],
            security_group=firewall.groups[wanted.role].id,
            public=access.public,
            after=network.way_out if access.public else (),
            profile=backups.profile if backups and wanted.role == "manager" else None,
        ),
        at,
    )
    for wanted, group in zip(hosts_of(region), groups, strict=True)
}
addresses: dict[Port, pulumi.Output[str]] = {}
for front in balanced:
    inside = network.public if front.public else subnets
    balancer = Balancer(
        front.name,
        BalancerArgs(
            front=front,
            vpc_id=network.vpc_id,
            subnets=[inside[zone] for zone in zones if zone in inside],
            security_group=firewall.groups[front.name].id,
            managers={w.name: hosts[w.name].instance.id for w in hosts_of(region) if w.role == "manager"},
            after=network.way_out if front.public else (),
            tags=tags,
        ),
        at,
    )
    addresses |= dict.fromkeys(front.ports, balancer.address)
export_region(
    region=region.name,
    provider="aws",
    hosts=[
        pulumi.Output.all(host=host.output, bastion=bastion.output if bastion else None).apply(
            lambda found: {**found["host"], "bastion": found["bastion"]}
        )
        for host in hosts.values()
    ],
    endpoint=addresses.get(API),
    cluster_endpoint=addresses.get(of_clusters(settings.network)),
)

"""The stack of a region on Google Cloud: a network, who may come in, hosts over zones, a balancer, a bucket."""

import itertools

import pulumi
from pulumi_gcp.provider import Provider

from installer.spec.hosts import hosts_of, roles_of
from installer.spec.ports import API, of_clusters, ports
from stacks.common.fronts import fronts
from stacks.common.outputs import export_region
from stacks.common.settings import Settings
from stacks.common.tags import LABELS, Tags
from stacks.gcp.backups import Backups, BackupsArgs, Identity, IdentityArgs
from stacks.gcp.balancer import Balancers, BalancersArgs
from stacks.gcp.firewall import Firewall, FirewallArgs
from stacks.gcp.machines import Bastion, BastionArgs, Host, HostArgs, MachineArgs, image_link
from stacks.gcp.network import Network, NetworkArgs

settings = Settings.read()
region, given = settings.region, settings.region.provider
access, tags = given.access, Tags(platform=settings.platform, region=region.name, own=given.labels, keys=LABELS)
roles = roles_of(region)
balanced = fronts(access, settings.network) if "manager" in roles else ()
zones = sorted({zone for group in region.hosts for zone in group.zones})
at = pulumi.ResourceOptions(providers=[Provider("gcp", project=given.project, region=given.region)])

network = Network(
    "network",
    NetworkArgs(region=given.region, network=given.network, zones=zones, public=access.public, tags=tags),
    at,
)
firewall = Firewall(
    "firewall",
    FirewallArgs(
        network=network.network,
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
identity = Identity("managers", IdentityArgs(public_key=settings.public_key, tags=tags), at)
if given.backups:
    kept = BackupsArgs(region=given.region, keep=given.backups.keep, user=identity.email, tags=tags)
    Backups("backups", kept, at)
machines = MachineArgs(
    image=image_link(given.image, pulumi.InvokeOutputOptions(parent=network)),
    region=given.region,
    subnet=network.subnet,
    public_keys=[settings.public_key, *access.keys],
    tags=tags,
)
bastion = None
if not access.public:
    place = BastionArgs(common=machines, machine_type=access.bastion_type, zone=network.zones[zones[0]])
    bastion = Bastion("bastion", place, at)
groups = itertools.chain.from_iterable([group] * group.count for group in region.hosts)
hosts = {
    wanted.name: Host(
        wanted.name,
        HostArgs(
            common=machines,
            wanted=wanted,
            group=group,
            zone=network.zones[wanted.zone],
            public=access.public,
            after=network.way_out,
            service_account=identity.email if wanted.role == "manager" else None,
        ),
        at,
    )
    for wanted, group in zip(hosts_of(region), groups, strict=True)
}
managers = [wanted for wanted in hosts_of(region) if wanted.role == "manager"]
balancers = Balancers(
    "api",
    BalancersArgs(
        fronts=balanced,
        region=given.region,
        network=network.network,
        subnet=network.subnet,
        zones=network.zones,
        managers={
            zone: [hosts[manager.name].instance.self_link for manager in managers if manager.zone == zone]
            for zone in {manager.zone for manager in managers}
        },
        tags=tags,
    ),
    at,
)
export_region(
    region=region.name,
    provider="gcp",
    hosts=[
        pulumi.Output.all(host=host.output, bastion=bastion.output if bastion else None).apply(
            lambda found: {**found["host"], "bastion": found["bastion"]}
        )
        for host in hosts.values()
    ],
    endpoint=balancers.addresses.get(API),
    cluster_endpoint=balancers.addresses.get(of_clusters(settings.network)),
)

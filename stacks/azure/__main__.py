"""The stack of a region on Azure: a network, who may come in, hosts spread over zones, a balancer, backups."""

import itertools

import pulumi
from pulumi_azure_native.provider import Provider

from installer.spec.hosts import hosts_of, roles_of
from installer.spec.ports import API, of_clusters, ports
from stacks.azure import aliases
from stacks.azure.backups import Backups, BackupsArgs
from stacks.azure.balancer import Balancer, BalancerArgs
from stacks.azure.firewall import Firewall, FirewallArgs
from stacks.azure.machines import Bastion, BastionArgs, Host, HostArgs, MachineArgs, PortArgs
from stacks.azure.network import Network, NetworkArgs
from stacks.azure.place import new_place
from stacks.common.fronts import fronts
from stacks.common.outputs import export_region
from stacks.common.settings import Settings
from stacks.common.tags import DASHED, Tags

pulumi.runtime.register_stack_transformation(aliases.without)
settings = Settings.read()
region, given = settings.region, settings.region.provider
access, roles = given.access, roles_of(region)
tags = Tags(platform=settings.platform, region=region.name, own=given.tags, keys=DASHED)
provider = Provider("azure", location=given.location, subscription_id=given.subscription)
at = pulumi.ResourceOptions(providers=[provider])

place = new_place("hosts", given.location, tags, pulumi.ResourceOptions(provider=provider))
network = Network("network", NetworkArgs(place=place, network=given.network, public=access.public), at)
firewall = Firewall(
    "firewall",
    FirewallArgs(
        place=place,
        public=access.public,
        sources=access.sources,
        published=access.published,
        joined=access.joined,
        roles=roles,
        ports=list(ports(settings.network, balanced=access.cluster_balancer != "none")),
    ),
    at,
)
balancers = {
    front: Balancer(front.name, BalancerArgs(front=front, place=place, subnet=network.hosts), at)
    for front in (fronts(access, settings.network) if "manager" in roles else ())
}
backups = Backups("backups", BackupsArgs(place=place, keep=given.backups.keep), at) if given.backups else None
machines = MachineArgs(place=place, image=given.image, public_key=settings.public_key, more_keys=access.keys)
bastion = None
if network.bastion is not None and not access.public:
    port = PortArgs(
        subnet=network.bastion,
        rules=firewall.rules["bastion"].id,
        group=firewall.members["bastion"].id,
        public=True,
    )
    bastion = Bastion("bastion", BastionArgs(common=machines, size=access.bastion_size, port=port), at)
groups = itertools.chain.from_iterable([group] * group.count for group in region.hosts)
hosts = [
    Host(
        wanted.name,
        HostArgs(
            common=machines,
            wanted=wanted,
            group=group,
            port=PortArgs(
                subnet=network.hosts,
                rules=firewall.rules[wanted.role].id,
                group=firewall.members[wanted.role].id,
                pools=[one.pool for one in balancers.values()] if wanted.role == "manager" else (),
                public=access.public,
            ),
            locked=given.locks and wanted.role == "manager",
            after=network.way_out,
            identity=backups.identity if backups and wanted.role == "manager" else None,
        ),
        at,
    )
    for wanted, group in zip(hosts_of(region), groups, strict=True)
]
addresses = {port: balancer.address for front, balancer in balancers.items() for port in front.ports}
export_region(
    region=region.name,
    provider="azure",
    hosts=[
        pulumi.Output.all(host=host.output, bastion=bastion.output if bastion else None).apply(
            lambda found: {**found["host"], "bastion": found["bastion"]}
        )
        for host in hosts
    ],
    endpoint=addresses.get(API),
    cluster_endpoint=addresses.get(of_clusters(settings.network)),
)

"""The stack of a region on this machine: a network that nothing leaves, and systemd hosts in it."""

import pulumi

from installer.spec.hosts import hosts_of
from stacks.common.outputs import export_region
from stacks.common.resources import LocalHost, LocalNetwork
from stacks.common.settings import Settings

settings = Settings.read()
network = LocalNetwork("network", platform=settings.platform)
hosts = []
for wanted in hosts_of(settings.region):
    host = LocalHost(
        wanted.name,
        {
            "platform": settings.platform,
            "name": wanted.name,
            "network": network.name,
            "range": network.range,
            "routes": settings.routes,
            "publicKey": settings.public_key,
            "cpu": wanted.cpu,
            "memory": wanted.memory,
        },
    )
    hosts.append(
        pulumi.Output.all(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=host.address,
            cluster_address=host.address,
            host_key=host.hostKey,
        )
    )
export_region(region=settings.region.name, provider="local", hosts=hosts)

"""The stack of a region of existing hosts: each is verified over SSH, pinned and recorded."""

import pulumi

from installer.spec.given import bastion_output
from installer.spec.hosts import hosts_of
from stacks.common.outputs import export_region
from stacks.common.resources import OnPremHost
from stacks.common.settings import Settings

settings = Settings.read()
ssh = settings.region.provider.ssh
given = {host.name: host for host in settings.region.hosts}
through = bastion_output(ssh.bastion)
bastion = through and through.model_dump(mode="json")
hosts = []
for wanted in hosts_of(settings.region):
    user = given[wanted.name].user or ssh.user
    host = OnPremHost(
        wanted.name,
        {
            "name": wanted.name,
            "address": wanted.address,
            "port": wanted.port,
            "user": user,
            "hostKey": given[wanted.name].host_key,
            "key": settings.secret("key"),
            "sudoPassword": settings.secret("sudoPassword"),
            "bastion": bastion,
            "proxy": settings.secret("proxy"),
        },
    )
    hosts.append(
        pulumi.Output.all(
            name=wanted.name,
            role=wanted.role,
            region=wanted.region,
            zone=wanted.zone,
            labels=wanted.labels,
            address=wanted.address,
            cluster_address=str(wanted.cluster_address),
            port=wanted.port,
            user=user,
            host_key=host.hostKey,
            machine_id=host.machineId,
            arch=host.arch,
            bastion=bastion,
        )
    )
export_region(region=settings.region.name, provider="onprem", hosts=hosts)

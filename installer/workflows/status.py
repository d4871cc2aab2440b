"""How a platform is: its hosts, its manager, its clusters, and what was cut off."""

from __future__ import annotations

from dataclasses import dataclass

from lightkube.resources.core_v1 import Node

from installer.core.errors import InstallerError
from installer.kubernetes import client, lost
from installer.spec.quantity import seconds
from installer.transport.fleet import fan_out
from installer.workflows import certificates, clusters, datastores, hosts, regions, runs
from installer.workflows.cluster_info import ClusterInfo
from installer.workflows.datastores import DatastoreInfo
from installer.workflows.hosts import HostInfo
from installer.workflows.manager_api import is_ready
from installer.workflows.regions import RegionInfo
from installer.workflows.session import Session


@dataclass(frozen=True, kw_only=True)
class PlatformStatus:
    """A platform at one moment. `problems` is empty when all is well."""

    name: str
    release: str
    hosts: tuple[HostInfo, ...]
    regions: tuple[RegionInfo, ...]
    api_servers: dict[str, str]  # URL -> "" when ready, or why not
    nodes_ready: tuple[str, ...]
    clusters: tuple[ClusterInfo, ...]
    problems: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not self.problems


def status(session: Session) -> PlatformStatus:
    """Look at everything; what cannot be reached is a problem, not an error."""
    machines = hosts.list_(session)
    authority = session.roots.authorities["kubernetes"].trusted
    servers = fan_out(tuple(session.managers), lambda name: client.not_ready(session.api_server(name), authority) or "")
    nodes: list[Node] = []
    found: tuple[ClusterInfo, ...] = ()
    stores: tuple[DatastoreInfo, ...] = ()
    unheard: list[str] = []
    try:
        nodes = list(session.api.list(Node))
        found = clusters.list_(session)
        stores = datastores.list_(session)
    except InstallerError as exc:
        unheard.append(f"manager: {exc.what}")
    well = {client.name_of(node) for node in nodes if is_ready(node)}
    graces = {region.name: seconds(region.grace) for region in session.platform.spec.regions}
    there = regions.look(machines, lost.cut_off(lost.of_nodes(nodes)), graces)
    told = {name for region in there for name in region.silent}  # with their region
    problems = [f"region {region.name}: {region.problem}" for region in there if region.problem]
    problems += [f"host {host.name}: {host.problem}" for host in machines if host.problem and host.name not in told]
    problems += [
        f"API server {session.api_address(name)}: {reason}"
        for name, reason in servers.items()
        if reason and name not in told
    ]
    problems += unheard
    if not unheard:
        problems += [f"node {name}: not ready" for name in sorted(set(session.nodes) - well - told)]
    problems += [f"datastore {one.name}: {one.problem}" for one in stores if one.problem]
    problems += [f"cluster {one.name}: {one.waits_for or one.phase}" for one in found if not one.ready]
    problems += [f"{one.of}: {one.name} ends in {one.days} days: `moorage up`" for one in certificates.due(session)]
    before = runs.last(session)
    if before and before.begun:
        problems.append(f"`{before.command}` was cut off in {', '.join(map(str, before.begun))}: repeat it")
    return PlatformStatus(
        name=session.platform.name,
        release=session.platform.spec.release,
        hosts=machines,
        regions=there,
        api_servers={session.api_address(name): str(reason) for name, reason in servers.items()},
        nodes_ready=tuple(name for name in session.nodes if name in well),
        clusters=found,
        problems=tuple(problems),
    )

"""What runs on a host: as a node of the manager, or as one of the only cluster that it is a node of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from installer.bundle.bundle import Bundle
from installer.kubernetes import dedicated, host, node
from installer.kubernetes.dedicated import Home
from installer.kubernetes.rendering import Rendered
from installer.kubernetes.roots import Roots
from installer.spec.contract import HostOutput
from installer.spec.platform import Platform

if TYPE_CHECKING:
    from installer.workflows.session import Session


@dataclass(frozen=True)
class Part:
    """What a host runs, by whose authorities. `cluster`: empty for the manager."""

    rendered: Rendered
    roots: Roots
    cluster: str = ""


def of_manager(
    session: Session, name: str, traits: node.Traits, bundle: Bundle, peers: Mapping[str, str] | None = None
) -> Part:
    """A host of the manager; `peers`: the members (name -> address), itself included, that a manager joins."""
    machine = replace(_machine(session.hosts[name], traits), joins=peers is not None)
    return Part(host.render(machine, _plan(session, bundle, peers or session.managers), session.roots), session.roots)


def of_cluster(session: Session, name: str, traits: node.Traits, bundle: Bundle, home: Home) -> Part:
    """A dedicated host."""
    rendered = dedicated.render(_machine(session.hosts[name], traits), home, bundle.images)
    return Part(rendered, home.roots, home.cluster.name)


def _machine(output: HostOutput, traits: node.Traits) -> host.ManagerHost:
    return host.ManagerHost(
        name=output.name,
        address=str(output.cluster_address),
        role=output.role,
        region=output.region,
        zone=output.zone,
        traits=traits,
        labels=output.labels,
        names=(output.address,),
    )


def backend(platform: Platform) -> node.Backend:
    """What the manager's pods have between hosts."""
    return node.WIREGUARD if platform.spec.manager.network.between == "wireguard" else node.VXLAN


def _plan(session: Session, bundle: Bundle, managers: Mapping[str, str]) -> host.ManagerPlan:
    """What all hosts with a bundle have in common."""
    network = session.platform.spec.manager.network
    return host.ManagerPlan(
        platform=session.platform.name,
        kubernetes_version=bundle.info.kubernetes.manager,
        pods=network.pods,
        services=network.services,
        domain=network.domain,
        node_ports=network.ports,
        managers=managers,
        images=bundle.images,
        workers=len(session.nodes) - len(session.managers),
        backend=backend(session.platform),
        extra_names=(*session.platform.spec.manager.extra_names, *session.balancers),
    )

"""A host that is a node of one cluster, as a whole, and nothing of the manager: it has no credentials there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Final

from installer.core.secret import Secret
from installer.kubernetes import egress, host, hosted, node, node_pod, registries
from installer.kubernetes.rendering import Process, Rendered
from installer.kubernetes.roots import Roots
from installer.spec.cluster import Cluster
from installer.spec.pools import DedicatedPool

LABEL: Final = "moorage.dev/dedicated"  # on its node
LINK: Final = "moorage0"  # what leads a dedicated host into the manager's networks
_AUTHORITIES: Final = f"{node.CONFIG}/authorities"
_UPSTREAMS: Final = f"{node.CONFIG}/api-servers"
_WAY: Final = f"{node.CONFIG}/way.sh"
_REGISTRIES: Final = f"{node.CONFIG}/registries"
# Where that link listens, which nobody sends to: what comes back is addressed to the host itself.
_OWN_PORT: Final = 8474


@dataclass(frozen=True)
class Stretch:
    """The pods of the manager on one of its hosts, and how to reach them: by flannel's VXLAN."""

    host: str  # its address among the hosts
    pods: IPv4Network
    mac: str  # of flannel's device there


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a host reaches a cluster whose API servers are in the manager."""

    address: str  # ClusterIP of its API
    servers: Sequence[str]  # host:port of the same, on the manager's hosts
    stretches: Sequence[Stretch] = ()  # where nodes of the cluster may be that are node pods


@dataclass(frozen=True, kw_only=True)
class Home:
    """A cluster that a host is a node of, at the version that the host is to run."""

    cluster: Cluster
    pool: DedicatedPool
    way: Way
    roots: Roots  # the cluster's
    registry_files: Mapping[str, str | Secret] = field(default_factory=dict)  # entries of the Secret of its node pods


def render(machine: host.ManagerHost, home: Home, images: Mapping[str, str]) -> Rendered:
    """Everything that runs on `machine` as a node of its cluster; `images`: name in the bundle -> reference.

    Its API server is found at the same address as from node pods, so that all nodes are told the same.
    """
    way = home.way
    return (
        _way(machine, way)
        | host.balancer(
            of="the cluster",
            listen=f"{way.address}:{hosted.API_PORT}",
            upstreams=way.servers,
            file=_UPSTREAMS,
            after=("moorage-way",),
        )
        | host.images({"pause": images["pause"]})
        | node.render(_node(machine, home, images))
        | egress.on_node(home.cluster.spec.network, home.roots)
        | Rendered(
            processes=(),
            files={_AUTHORITIES: home.roots.marker, **_registries(home.registry_files)},
            certificates={},
        )
    )


def _node(machine: host.ManagerHost, home: Home, images: Mapping[str, str]) -> node.Node:
    network = home.cluster.spec.network
    given = home.pool.kubelet.model_dump(by_alias=True, exclude_none=True)
    return node.Node(
        name=machine.name,
        version=home.cluster.spec.version,
        server=f"https://{home.way.address}:{hosted.API_PORT}",
        ca_pem=home.roots.authorities["kubernetes"].trusted,
        pods=network.pods,
        dns=network.dns_service,
        domain=network.domain,
        pause_image=images["pause"],
        # To nodes that are node pods its packets go through the manager's VXLAN, too.
        traits=replace(machine.traits, mtu=machine.traits.mtu - node.VXLAN.overhead),
        address=machine.address,
        labels={
            "topology.kubernetes.io/region": machine.region,
            "topology.kubernetes.io/zone": machine.zone,
            LABEL: "",
            **machine.labels,
        },
        taints=(node_pod.STARTING,),
        reserved={"cpu": "100m", "memory": "256Mi", "pid": host.OWN_PROCESSES},
        kubelet={"podPidsLimit": host.POD_PROCESSES, **given, "mergeDefaultEvictionSettings": True},
        registries=_REGISTRIES,
        tells_network_ready=True,
        authorities=_AUTHORITIES,
    )


def _registries(files: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """The entries of the Secret that node pods share, as containerd wants them: a directory a registry."""
    found: dict[str, str | Secret] = {}
    for name, content in files.items():
        if name.endswith(registries.SUFFIX):
            found[f"{_REGISTRIES}/{name.removesuffix(registries.SUFFIX)}/{registries.FILE}"] = content
        else:
            found[f"{registries.MOUNT}/{name}"] = content
    return found


def _way(machine: host.ManagerHost, way: Way) -> Rendered:
    return Rendered(
        processes=(
            Process(
                name="moorage-way",
                description="The way to the cluster's API and to its nodes in the manager",
                argv=("/bin/sh", _WAY),
                once=True,
                reads=(_WAY,),
            ),
        ),
        files={_WAY: _script(machine, way)},
        certificates={},
    )


def _script(machine: host.ManagerHost, way: Way) -> str:
    """One device: the API's address, which the balancer listens at; and, for each host of the manager, its pods.

    As flannel has it (https://github.com/flannel-io/flannel/blob/master/pkg/backend/vxlan/device.go), in one direction:
    a node pod's packets leave the manager as its host's own, and need no way back through it.
    """
    mtu = machine.traits.mtu - node.VXLAN.overhead
    lines = [
        "set -eu",
        f"! ip link show {LINK} >/dev/null 2>&1 || ip link delete {LINK}",
        f"ip link add {LINK} mtu {mtu} type vxlan id {node.VXLAN_ID} dstport {_OWN_PORT} nolearning",
        f"ip address add {way.address}/32 dev {LINK}",
        f"ip link set {LINK} up",
    ]
    for stretch in sorted(way.stretches, key=lambda one: one.pods):
        end = stretch.pods.network_address  # flannel's device has the first address of its host's range
        to = f"dst {stretch.host} port {node.VXLAN_PORT}"
        lines += [
            f"bridge fdb replace {stretch.mac} dev {LINK} {to} self permanent",
            f"ip neighbour replace {end} lladdr {stretch.mac} dev {LINK} nud permanent",
            f"ip route replace {stretch.pods} via {end} dev {LINK} onlink src {machine.address}",
        ]
    return "\n".join([*lines, ""])

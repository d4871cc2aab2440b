"""A host of the manager: each is a node behind a local balancer; a manager host has etcd and a control plane too."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from installer.core import layout
from installer.kubernetes import control_plane, etcd, node, vip
from installer.kubernetes.rendering import Process, Rendered
from installer.kubernetes.roots import Roots

API_PORT = 6443
BALANCER_PORT = 7443
BALANCER_UPSTREAMS = f"{layout.CONFIG}/node/api-servers"
MANAGER_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ROLE_LABEL = "moorage.dev/role"
FIRST_START = f"{etcd.CONFIG}/first-start"  # what etcd is told of its members then
AUDIT_LOG = "/var/log/moorage/audit.log"
# A lost host is noticed when its lease, renewed four times in that time, has run out (Kubernetes: 40 to 50 s).
LEASE_S = 20
# Of one pod, a whole node of a cluster included: a fork bomb in it leaves the other pods of the host theirs. Kernels
# that count no further than 32768 (kernel.pid_max without systemd's 4194304) are only half full then.
POD_PROCESSES = 16384
OWN_PROCESSES = "1000"  # which no pods together can take from the host
_IMPORT_SCRIPT = f"{node.CONFIG}/import-images.sh"


@dataclass(frozen=True, kw_only=True)
class ManagerPlan:
    """What all hosts of a platform have in common."""

    platform: str
    kubernetes_version: str
    pods: IPv4Network
    services: IPv4Network
    domain: str
    node_ports: tuple[int, int]
    managers: Mapping[str, str]  # name -> address among the hosts; of a host that joins, those before it and itself
    images: Mapping[str, str]  # name in the bundle -> reference
    workers: int
    backend: node.Backend = node.VXLAN
    extra_names: tuple[str, ...] = ()  # of the API server, beside every manager's own


@dataclass(frozen=True, kw_only=True)
class ManagerHost:
    """One host."""

    name: str
    address: str  # among the hosts
    role: str
    region: str
    zone: str
    traits: node.Traits
    labels: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()  # more addresses by which it is known
    joins: bool = False  # a manager beside others that serve already
    vip: str = ""  # of the managers of its region; empty: there is none


def node_labels(*, role: str, region: str, zone: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Of a host's node in the manager; `labels`: those of the specification."""
    where = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}
    return {**where, ROLE_LABEL: role, **labels}


def node_taints(role: str, *, workers: int) -> tuple[dict[str, str], ...]:
    """Managers carry what clusters run only where there are no workers."""
    return (MANAGER_TAINT,) if role == "manager" and workers else ()


def render(host: ManagerHost, plan: ManagerPlan, roots: Roots) -> Rendered:
    """Everything that runs on `host`."""
    rendered = _balancer(host, plan) | _images(host, plan) | node.render(_node(host, plan, roots))
    if host.role != "manager":
        return rendered
    member = etcd.Member(
        name=host.name,
        address=host.address,
        peers=plan.managers,
        token=plan.platform,
        joining=host.joins,
        first_start=FIRST_START,
        names=host.names,
        release=layout.ETCD,
    )
    servers = [f"https://{address}:{etcd.CLIENT_PORT}" for address in plan.managers.values()]
    plane = control_plane.ControlPlane(
        version=plan.kubernetes_version,
        advertise_address=host.address,
        port=API_PORT,
        names=(*plan.managers.values(), *host.names, *plan.extra_names),
        etcd_servers=tuple(servers),
        pods=plan.pods,
        services=plan.services,
        domain=plan.domain,
        node_ports=plan.node_ports,
        audit_log=AUDIT_LOG,
        node_grace=f"{LEASE_S}s",
    )
    etcd_trust = {f"{etcd.CONFIG}/ca.crt": roots.authorities["etcd"].trusted}
    extra = Rendered(processes=(), files=etcd_trust, certificates={}, directories=("/var/log/moorage",))
    return etcd.render(member) | control_plane.render(plane, roots) | extra | _vip(host) | rendered


def _vip(host: ManagerHost) -> Rendered:
    if not host.vip:
        return Rendered(processes=(), files={}, certificates={})
    return vip.render(
        vip=host.vip,
        address=host.address,
        host=host.name,
        region=host.region,
        api_port=API_PORT,
        balancer=f"https://127.0.0.1:{BALANCER_PORT}",
    )


def _node(host: ManagerHost, plan: ManagerPlan, roots: Roots) -> node.Node:
    return node.Node(
        name=host.name,
        version=plan.kubernetes_version,
        server=f"https://127.0.0.1:{BALANCER_PORT}",
        ca_pem=roots.authorities["kubernetes"].trusted,
        pods=plan.pods,
        dns=plan.services[10],
        domain=plan.domain,
        pause_image=plan.images["pause"],
        traits=host.traits,
        backend=plan.backend,
        address=host.address,
        # As it registers; from then on the installer sees to both, since a kubelet never changes them.
        labels=node_labels(role=host.role, region=host.region, zone=host.zone, labels=host.labels),
        taints=node_taints(host.role, workers=plan.workers),
        reserved={"cpu": "100m", "memory": "256Mi", "pid": OWN_PROCESSES},
        # Each small pod costs little, and a host carries control planes and nodes of many clusters.
        max_pods=250,
        ports_on_all_addresses=bool(host.vip),
        kubelet={"nodeLeaseDurationSeconds": LEASE_S, "podPidsLimit": POD_PROCESSES},
    )


def _balancer(host: ManagerHost, plan: ManagerPlan) -> Rendered:
    # While managers go to another version one by one, each has its API server go first: a kubelet that speaks to that
    # one is never newer than its server.
    own = (f"--prefer={host.address}:{API_PORT}",) if host.role == "manager" else ()
    servers = [f"{address}:{API_PORT}" for address in plan.managers.values()]
    return balancer(
        of="the manager", listen=f"127.0.0.1:{BALANCER_PORT}", upstreams=servers, file=BALANCER_UPSTREAMS, extra=own
    )


def balancer(
    *,
    of: str,
    listen: str,
    upstreams: Sequence[str],
    file: str,
    extra: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Rendered:
    """A balancer of a host's own over API servers (host:port), which it reads from `file` whenever that changes."""
    return Rendered(
        processes=(
            Process(
                name="moorage-balancer",
                description=f"Node-local balancer over {of}'s API servers",
                argv=(
                    f"{layout.CURRENT}/{layout.BIN}/moorage-host",
                    "balance",
                    f"--listen={listen}",
                    f"--upstreams-file={file}",
                    *extra,
                ),
                after=tuple(after),
            ),
        ),
        files={file: "".join(f"{address}\n" for address in upstreams)},
        certificates={},
    )


def _images(host: ManagerHost, plan: ManagerPlan) -> Rendered:
    wanted = ["pause"]
    if host.role == "manager":
        wanted.append("controller")
    if host.role == "worker" or not plan.workers:
        wanted.append("node")
    return images({name: plan.images[name] for name in wanted})


def images(wanted: Mapping[str, str]) -> Rendered:
    """Images of the bundle (name there -> reference), brought into a host's containerd."""
    return Rendered(
        processes=(
            Process(
                name="moorage-images",
                description="Images of the bundle, brought into containerd",
                argv=("/bin/sh", _IMPORT_SCRIPT),
                after=("containerd",),
                once=True,
                reads=(_IMPORT_SCRIPT,),
            ),
        ),
        files={_IMPORT_SCRIPT: import_script(wanted)},
        certificates={},
    )


def import_script(images: Mapping[str, str]) -> str:
    """A script that imports what containerd does not have yet; `images`: name in the bundle -> reference."""
    ctr = f"{layout.CURRENT}/{layout.BIN}/ctr -a {node.CONTAINERD_SOCKET} -n k8s.io"
    return "\n".join(
        [
            "set -eu",
            f"until {ctr} version >/dev/null 2>&1; do sleep 0.1; done",
            f'have="$({ctr} images ls -q)"',
            *_imports(ctr, sorted(images.items())),
            "",
        ]
    )


def _imports(ctr: str, images: Sequence[tuple[str, str]]) -> list[str]:
    return [
        f'case "$have" in *{shlex.quote(ref)}*) ;; *) '
        f"{ctr} images import --local {layout.CURRENT}/{layout.IMAGES}/{name}.tar ;; esac"
        for name, ref in images
    ]

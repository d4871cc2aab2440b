"""A node pod: containerd, kubelet, kube-proxy and flannel of one tenant node, in one pod of the manager."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import addons, documents, egress, host, hosted, issue, node, registries, storage
from installer.kubernetes.documents import Document
from installer.kubernetes.rendering import Process, Rendered
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import CPU_SHARE, Cluster, ClusterDns
from installer.spec.pools import SharedPool
from installer.spec.quantity import cpu_millis, memory_bytes, threshold_bytes

PART: Final = hosted.NODE
POOL_LABEL: Final = "moorage.dev/pool"
STARTING: Final = {"key": "moorage.dev/starting", "effect": "NoSchedule"}
SHAPE: Final = "moorage.dev/shape"  # digest of everything but its name: another one means another pod
# Of one pod of the cluster, where its pool does not say: a fork bomb in it leaves the node's kubelet what it needs.
POD_PIDS: Final = 4096
# The disk is the host's. Its own kubelet looks at it sooner than a node's does (10 % and 15 % by Kubernetes' default),
# and ends the node pod that has taken most; otherwise the pods of all clusters on the host would suffer for one.
_HOST_FIRST: Final = {"nodefs.available": "5%", "nodefs.inodesFree": "2%", "imagefs.available": "5%"}
# Pods and Services of a node are reached from the cluster's own nodes, in VXLAN, and by node ports. Whoever sends for a
# pod by way of the manager's network is of another cluster.
_FORWARDS: Final = """table inet moorage
delete table inet moorage
table inet moorage {
  chain forward {
    type filter hook forward priority filter - 5; policy accept;
    iifname "eth0" ct state new ct status & dnat == 0 drop
  }
}
"""
_SUFFIX_BYTES = 3
_VOLUMES: Final = {"containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet", "run": "/run"}
# Of a node pod: changed, its kubelet looks at its Secrets at once. And the entry of its Secret that tells which
# authorities the others are of: with another one, the processes below start anew.
AUTHORITIES: Final = "moorage.dev/authorities"
_AUTHORITIES: Final = "authorities"
_READ_AT_START: Final = ("kubelet", "kube-proxy", "flanneld")
# The kubelet would keep the certificate that it was given on request, whoever signed it.
_SERVING: Final = "/var/lib/kubelet/pki/kubelet-server-current.pem"
_FAREWELL_S: Final = 3  # until every host's kube-proxy has heard that a node goes
_PREPARE: Final = "prepare.sh"
_RUN: Final = "run.json"
_DROP_IN: Final = "/run/moorage/kubelet.d"


@dataclass(frozen=True)
class NodePod:
    """The pod and the Secret of the same name that it reads."""

    name: str
    shape: str
    documents: tuple[Document, ...]


def new_name(pool: str) -> str:
    """A name for a new node, which no node had before."""
    return f"{pool}-{secrets.token_hex(_SUFFIX_BYTES)}"


def shape(cluster: Cluster, pool: SharedPool, address: str, settings: PlatformSettings) -> str:
    """The digest of all that decides how a node of this pool is made."""
    tried = _render(cluster, pool, "node", address, settings, roots=None)
    pod = _pod("node", "", cluster, pool, settings)
    return documents.digest(pod, _supervised(tried), _prepare(pool), sorted(tried.files.items(), key=str))


def render(
    cluster: Cluster,
    pool: SharedPool,
    name: str,
    *,
    address: str,
    settings: PlatformSettings,
    roots: Roots,
    near: tuple[str, ...] = (),
) -> NodePod:
    """A node called `name`; `address` is the ClusterIP of the cluster's API, `near` hosts where it should be.

    Where it was made says nothing of how: `near` is no part of the shape.
    """
    found = shape(cluster, pool, address, settings)
    secret = secret_document(cluster, pool, name, address=address, settings=settings, roots=roots)
    pod = _pod(name, found, cluster, pool, settings)
    if near:
        # Spread evenly, it would go elsewhere as often as not.
        del pod["spec"]["topologySpreadConstraints"]
        pod["spec"]["affinity"] = storage.near(near)
    return NodePod(name, found, (secret, pod))


def secret_document(
    cluster: Cluster, pool: SharedPool, name: str, *, address: str, settings: PlatformSettings, roots: Roots
) -> Document:
    """The Secret that a node pod reads, with new certificates."""
    made = _render(cluster, pool, name, address, settings, roots=roots)
    issued = issue.issue(made.certificates, roots.authorities, {})
    files = documents.below(node.CONFIG, made.files) | documents.credential_files(node.CONFIG, issued.new)
    files |= {_RUN: json.dumps(_supervised(made), indent=1), _PREPARE: _prepare(pool)}
    files |= {_AUTHORITIES: roots.marker}
    files |= {"import-images.sh": host.import_script({"pause": settings.images["pause"]})}
    return _secret(cluster, pool, name, files)


def renewed(
    cluster: Cluster,
    pool: SharedPool,
    name: str,
    seen: Mapping[str, Secret],
    *,
    address: str,
    settings: PlatformSettings,
    roots: Roots,
    now: datetime | None = None,
) -> Document | None:
    """The Secret of a node that runs, with new certificates for those that do not fit or are due, and the authorities
    that are trusted now; None: all are well.

    Everything else in it stays: a node that was made differently goes on as it was made until it is replaced.
    """
    made = _render(cluster, pool, name, address, settings, roots=roots)
    issued = issue.issue(made.certificates, roots.authorities, documents.certificates(node.CONFIG, seen), now=now)
    if not issued.new and follows(seen, roots):
        return None
    authorities = {path: text for path, text in made.files.items() if path.endswith("ca.crt")}
    new = {**documents.below(node.CONFIG, authorities), **documents.credential_files(node.CONFIG, issued.new)}
    return _secret(cluster, pool, name, {**seen, **new, _AUTHORITIES: roots.marker})


def follows(seen: Mapping[str, Secret], roots: Roots) -> bool:
    """Whether the Secret of a node, with these entries, is of the authorities as they are."""
    return _AUTHORITIES in seen and seen[_AUTHORITIES].reveal() == roots.marker


def _secret(cluster: Cluster, pool: SharedPool, name: str, files: Mapping[str, str | Secret]) -> Document:
    mine = {**hosted.labels(cluster.name, PART), POOL_LABEL: pool.name}
    return documents.secret(name, hosted.namespace(cluster.name), files, labels=mine)


def _render(
    cluster: Cluster, pool: SharedPool, name: str, address: str, settings: PlatformSettings, *, roots: Roots | None
) -> Rendered:
    """`roots` is None where only the shape is wanted."""
    network = cluster.spec.network
    rendered = node.render(
        node.Node(
            name=name,
            version=cluster.spec.version,
            server=f"https://{address}:{hosted.API_PORT}",
            ca_pem=roots.authorities["kubernetes"].trusted if roots else "",
            pods=network.pods,
            dns=network.dns_service,
            domain=network.domain,
            pause_image=settings.images["pause"],
            traits=node.Traits(
                cgroup_version=settings.cgroup_version, nested=True, systemd=False, mtu=settings.pod_mtu
            ),
            # The controller takes this away when it has set the pool's labels and taints: no pod comes before them.
            taints=(STARTING,),
            signed_serving=False,
            kubelet=_kubelet(pool),
            kubelet_drop_ins=_DROP_IN,
            registries=registries.DIRECTORY,
            env={"GOMAXPROCS": str(max(1, cpu_millis(pool.cpu) // 1000))},
            tells_network_ready=True,
        )
    )
    return rendered | egress.on_node(network, roots)


def _kubelet(pool: SharedPool) -> dict[str, Any]:
    """The kubelet's configuration for what the cluster's owner has set."""
    given = pool.kubelet.model_dump(by_alias=True, exclude_none=True)
    own = {"evictionHard": _thresholds(pool), "mergeDefaultEvictionSettings": True}
    return {"podPidsLimit": POD_PIDS, **given, **own}


def _thresholds(pool: SharedPool) -> dict[str, str]:
    """What must be left on the node."""
    found = {**_HOST_FIRST, **pool.kubelet.eviction_hard.model_dump(by_alias=True, exclude_none=True)}
    if "memory.available" in found:
        # The kubelet would take a share of the whole host's memory.
        found["memory.available"] = str(threshold_bytes(found["memory.available"], of=pool.memory))
    return found


def _supervised(made: Rendered) -> dict[str, Any]:
    """What `moorage-host run` does as the pod's first process."""
    by_name = {process.name: process for process in made.processes}
    return {
        "prepare": [["/bin/sh", f"{node.CONFIG}/{_PREPARE}"]],
        "links": {
            "from": registries.MOUNT,
            "to": registries.DIRECTORY,
            "file": registries.FILE,
            "suffix": registries.SUFFIX,
        },
        "follow": {
            "file": f"{node.CONFIG}/{_AUTHORITIES}",
            "processes": _READ_AT_START,
            "remove": [_SERVING],
            "tell": node.AUTHORITIES_TOLD,
        },
        "processes": [
            _process(by_name["containerd"], ready={"unix": node.CONTAINERD_SOCKET}),
            _once("import-images"),
            _process(by_name["kubelet"]),
            _process(by_name["kube-proxy"]),
            _process(by_name["flanneld"]),
            _process(by_name[egress.PROXY]),
        ],
    }


def _process(process: Process, *, ready: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": process.name, "argv": list(process.argv), "env": dict(process.env)}
    return found | ({"ready": ready} if ready else {})


def _once(name: str) -> dict[str, Any]:
    return {"name": name, "argv": ["/bin/sh", f"{node.CONFIG}/{name}.sh"], "once": True}


def _prepare(pool: SharedPool) -> str:
    """Mounts that pods inside may share; a kubelet that offers what the pool says, though it sees the whole host."""
    cpu, memory, disk = cpu_millis(pool.cpu), memory_bytes(pool.memory), memory_bytes(pool.disk)
    threshold = _thresholds(pool)["nodefs.available"]
    share, found, _ = threshold.partition("%")  # what the kubelet keeps free it does not offer either
    kept = f"all * {share} / 100" if found else str(memory_bytes(threshold))
    return f"""set -eu
mount --make-rshared /
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
nft -f - <<'RULES'
{_FORWARDS}RULES
mkdir -p {_DROP_IN}
cpu=$(( $(nproc) * 1000 - {cpu} )); [ "$cpu" -gt 0 ] || cpu=0
memory=$(( $(awk '/^MemTotal:/ {{print $2}}' /proc/meminfo) * 1024 - {memory} )); [ "$memory" -gt 0 ] || memory=0
disk=$(stat -f -c '%b %S' {_VOLUMES["kubelet"]} |
    awk '{{ all = $1 * $2; rest = all - {kept} - {disk}; if (rest < 0) rest = 0; printf "%.0f", rest }}')
printf '{{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration",\
"systemReserved":{{"cpu":"%sm","memory":"%s","ephemeral-storage":"%s"}}}}' \
    "$cpu" "$memory" "$disk" >{_DROP_IN}/50-pool.conf
"""


def _names(dns: ClusterDns) -> dict[str, Any]:
    """The node's resolv.conf, which its pods and the cluster's DNS follow; never the manager's own names."""
    config = {"nameservers": list(map(str, dns.upstreams)), "searches": list(dns.search_domains)}
    given = {key: values for key, values in config.items() if values}
    return {"dnsPolicy": "None" if dns.upstreams else "Default", **({"dnsConfig": given} if given else {})}


def _pod(name: str, found: str, cluster: Cluster, pool: SharedPool, settings: PlatformSettings) -> Document:
    mine = {**hosted.labels(cluster.name, PART), POOL_LABEL: pool.name}
    supervisor = [f"{layout.CURRENT}/{layout.BIN}/moorage-host", "run", f"{node.CONFIG}/{_RUN}"]
    millis = cpu_millis(pool.cpu)
    volumes, volumes_mount = storage.node_mount(cluster.name)
    container = {
        "name": PART,
        "image": settings.images["node"],
        "imagePullPolicy": "Never",
        "command": supervisor,
        # A node whose kube-proxy serves, and that reaches the others, is one that connections may be led to.
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": node.NETWORK_READY_PORT},
            "periodSeconds": 5,
            "failureThreshold": 2,
        },
        # Meanwhile nothing new is led to it any more, and what comes still is passed on.
        "lifecycle": {"preStop": {"sleep": {"seconds": _FAREWELL_S}}},
        "securityContext": {"privileged": True},
        "resources": {
            # What a node has on its host's disk is no reserve, only a limit: the host's kubelet looks at it.
            "requests": {"cpu": f"{max(1, millis // CPU_SHARE)}m", "memory": pool.memory, "ephemeral-storage": "0"},
            "limits": {"cpu": f"{millis}m", "memory": pool.memory, "ephemeral-storage": pool.disk},
        },
        "volumeMounts": [
            *documents.mounts(
                [("release", layout.CURRENT), ("config", node.CONFIG), (registries.NAME, registries.MOUNT)]
            ),
            *documents.mounts(_VOLUMES.items(), read_only=False),
            volumes_mount,
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": hosted.namespace(cluster.name),
            "labels": mine,
            "annotations": {SHAPE: found},
        },
        "spec": {
            "hostname": name,
            **_names(cluster.spec.network.dns),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "restartPolicy": "Always",
            "tolerations": addons.leaves_lost_hosts(),
            "topologySpreadConstraints": addons.spread_over_hosts_and_zones(mine),
            "containers": [container],
            "volumes": [
                addons.release_volume(settings.bundle),
                {"name": "config", "secret": {"secretName": name, "defaultMode": 0o400}},
                {"name": registries.NAME, "secret": {"secretName": registries.NAME, "defaultMode": 0o400}},
                *({"name": volume, "emptyDir": {}} for volume in _VOLUMES),
                volumes,
            ],
        },
    }

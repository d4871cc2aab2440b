"""What clusters use here against what they would take as virtual machines of their own.

One node is one VM. A control plane with its etcd is one VM; one that is to survive the loss of a host is three, five
where more than three replicas are asked for, since etcd needs a majority. What is used here is what the kubelets of
the hosts measured last; where one does not answer, what its pods have reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lightkube.resources.core_v1 import Node, Pod
from pydantic import ValidationError

from installer.core.errors import InstallerError, KubernetesError
from installer.kubernetes import client, hosted, node_pod
from installer.spec.cluster import Cluster
from installer.spec.pools import SharedPool
from installer.spec.quantity import cpu_millis, memory_bytes
from installer.spec.report import ControlPlaneVm, Report, VmSize
from installer.transport.fleet import fan_out
from installer.workflows.session import Session

_ETCD_SIZES: Final = (1, 3, 5)
_ENDED: Final = {"Failed", "Succeeded"}


@dataclass(frozen=True)
class Amount:
    """CPU in thousandths of a core, memory in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        """What is left; never less than nothing, since both sides are measured at moments of their own."""
        return Amount(max(0, self.cpu - other.cpu), max(0, self.memory - other.memory))

    def to_json(self) -> dict[str, int]:
        return {"cpuMillis": self.cpu, "memoryBytes": self.memory}


@dataclass(frozen=True)
class Vms:
    """Equal virtual machines. `size` is a name of the table, or `custom` where none is large enough."""

    what: str
    size: str
    count: int
    each: Amount

    @property
    def together(self) -> Amount:
        return Amount(self.each.cpu * self.count, self.each.memory * self.count)

    def to_json(self) -> dict[str, Any]:
        return {"for": self.what, "size": self.size, "count": self.count, "each": self.each.to_json()}


@dataclass(frozen=True)
class Parts:
    """What control planes and what nodes take."""

    control_planes: Amount = Amount()
    nodes: Amount = Amount()

    @property
    def both(self) -> Amount:
        return self.control_planes + self.nodes

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.control_planes + other.control_planes, self.nodes + other.nodes)

    def to_json(self) -> dict[str, Any]:
        return {"controlPlanes": self.control_planes.to_json(), "nodes": self.nodes.to_json()}


@dataclass(frozen=True, kw_only=True)
class ClusterDensity:
    """One cluster both ways."""

    name: str
    control_plane: Vms
    pools: tuple[Vms, ...]
    reserved: Parts  # what its pods are sure of here
    used: Parts  # here; what runs on its nodes is theirs

    @property
    def vms(self) -> tuple[Vms, ...]:
        return (self.control_plane, *self.pools)

    @property
    def vm_count(self) -> int:
        return sum(vms.count for vms in self.vms)

    @property
    def as_vms(self) -> Parts:
        return Parts(self.control_plane.together, total(vms.together for vms in self.pools))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "vms": [vms.to_json() for vms in self.vms],
            "reserved": self.reserved.to_json(),
            "used": self.used.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class Density:
    """A platform both ways. `shared` is what the hosts need beside all clusters: system, manager, datastore."""

    platform: str
    hosts: int
    not_measured: tuple[str, ...]  # hosts of which only reservations are known
    clusters: tuple[ClusterDensity, ...]
    shared: Amount

    @property
    def vm_count(self) -> int:
        return sum(cluster.vm_count for cluster in self.clusters)

    @property
    def as_vms(self) -> Parts:
        return sum((cluster.as_vms for cluster in self.clusters), start=Parts())

    @property
    def reserved(self) -> Parts:
        return sum((cluster.reserved for cluster in self.clusters), start=Parts())

    @property
    def used(self) -> Parts:
        return sum((cluster.used for cluster in self.clusters), start=Parts())

    @property
    def all_used(self) -> Amount:
        return self.used.both + self.shared

    def to_json(self) -> dict[str, Any]:
        return {
            "platform": self.platform,
            "hosts": self.hosts,
            "notMeasured": list(self.not_measured),
            "clusters": [cluster.to_json() for cluster in self.clusters],
            "vmCount": self.vm_count,
            "asVms": self.as_vms.to_json(),
            "reserved": self.reserved.to_json(),
            "used": {**self.used.to_json(), "shared": self.shared.to_json()},
        }


@dataclass(frozen=True)
class PodHere:
    """A pod of the manager. `cluster` and `part` are empty where it belongs to no cluster."""

    host: str
    namespace: str
    name: str
    cluster: str
    part: str
    reserved: Amount


@dataclass(frozen=True)
class HostHere:
    """A host: what it keeps back from pods, and what its kubelet measured, of the host and of each pod, if it did."""

    name: str
    kept_back: Amount
    used: Amount | None = None
    by_pod: Mapping[tuple[str, str], Amount] = field(default_factory=dict)  # namespace, name


def report(session: Session) -> Density:
    """Look at all clusters and hosts; raises KubernetesError when the manager's API does not answer."""
    api = session.api
    with client.translated("look at the clusters and their pods"):
        clusters = [_cluster(found.to_dict()) for found in api.list(client.ClusterResource)]
        pods = [here for pod in api.list(Pod, namespace="*") for here in _pod_here(pod)]
        nodes = list(api.list(Node))  # after the pods, so that each pod's host is among them

    def summary(name: str) -> Mapping[str, Any]:
        with client.translated(f"ask the kubelet of {name} what it measured"):
            return dict(api.get(client.NodeSummary, name))  # type: ignore[type-var]  # a subresource, too

    summaries = fan_out(tuple(map(client.name_of, nodes)), summary)
    hosts = [host_here(node, summaries[client.name_of(node)]) for node in nodes]
    return compare(session.platform.name, session.platform.spec.report, clusters, hosts, pods)


def compare(
    platform: str, wanted: Report, clusters: Sequence[Cluster], hosts: Sequence[HostHere], pods: Sequence[PodHere]
) -> Density:
    """Both ways side by side, clusters by name; every pod is on one of `hosts`."""
    by_name = {host.name: host for host in hosts}

    def used(pod: PodHere) -> Amount:
        return by_name[pod.host].by_pod.get((pod.namespace, pod.name), pod.reserved)

    def parts(cluster: str, amount: Callable[[PodHere], Amount]) -> Parts:
        its = [pod for pod in pods if pod.cluster == cluster]
        return Parts(
            total(amount(pod) for pod in its if pod.part == hosted.CONTROL_PLANE),
            total(amount(pod) for pod in its if pod.part == node_pod.PART),
        )

    measured_hosts = {host.name: host.used for host in hosts if host.used is not None}
    others = [host for host in hosts if host.used is None]
    tenants = total(used(pod) for pod in pods if pod.cluster and pod.host in measured_hosts)
    reserved = total(pod.reserved for pod in pods if not pod.cluster and pod.host not in measured_hosts)
    return Density(
        platform=platform,
        hosts=len(hosts),
        not_measured=tuple(sorted(host.name for host in others)),
        clusters=tuple(
            ClusterDensity(
                name=cluster.name,
                control_plane=control_plane_vms(cluster, wanted),
                pools=tuple(
                    _vms(pool.name, pool.count, pool, wanted.sizes) for pool in cluster.spec.shared_pools if pool.count
                ),
                reserved=parts(cluster.name, lambda pod: pod.reserved),
                used=parts(cluster.name, used),
            )
            for cluster in sorted(clusters, key=lambda one: one.name)
        ),
        shared=total(measured_hosts.values()) - tenants + total(host.kept_back for host in others) + reserved,
    )


def control_plane_vms(cluster: Cluster, wanted: Report) -> Vms:
    """As many as its etcd needs for a majority that survives as many losses as its replicas do."""
    replicas = cluster.spec.control_plane.replicas
    count = next(members for members in _ETCD_SIZES if members >= replicas)
    return _vms("control plane", count, wanted.control_plane_vm, wanted.sizes)


def _vms(what: str, count: int, needs: ControlPlaneVm | SharedPool, sizes: Sequence[VmSize]) -> Vms:
    """`count` of the smallest size that will do; of the very size that is needed where none is large enough."""
    least = Amount(cpu_millis(needs.cpu), memory_bytes(needs.memory))
    table = sorted((memory_bytes(s.memory), cpu_millis(s.cpu), s.name) for s in sizes)
    fitting = (Vms(what, n, count, Amount(c, m)) for m, c, n in table if c >= least.cpu and m >= least.memory)
    return next(fitting, Vms(what, "custom", count, least))


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum; nothing is zero."""
    return sum(amounts, start=Amount())


def measured(summary: Mapping[str, Any]) -> Amount | None:
    """CPU and working set of a host or a pod in a kubelet's summary; None where it has not measured both yet."""
    cpu = (summary.get("cpu") or {}).get("usageNanoCores")
    memory = (summary.get("memory") or {}).get("workingSetBytes")
    return None if cpu is None or memory is None else Amount(round(cpu / 1e6), memory)


def host_here(node: Node, summary: Mapping[str, Any] | InstallerError) -> HostHere:
    """A host by its node in the manager and its kubelet's summary, which an error stands for where there is none."""
    status = node.status
    capacity, allocatable = (status.capacity or {}, status.allocatable or {}) if status else ({}, {})
    kept_back = _resources(capacity) - _resources(allocatable)
    whole = None if isinstance(summary, InstallerError) else measured(summary.get("node") or {})
    if whole is None or isinstance(summary, InstallerError):
        return HostHere(client.name_of(node), kept_back)
    found = {(p["podRef"]["namespace"], p["podRef"]["name"]): measured(p) for p in summary.get("pods") or ()}
    by_pod = {key: amount for key, amount in found.items() if amount is not None}
    return HostHere(client.name_of(node), kept_back, whole, by_pod)


def _pod_here(pod: Pod) -> Iterator[PodHere]:
    """A pod that has a host and has not ended."""
    meta, spec = pod.metadata, pod.spec
    if meta is None or spec is None or not spec.nodeName or (pod.status and pod.status.phase in _ENDED):
        return
    labels = meta.labels or {}
    requests = [(c.resources.requests or {}) if c.resources else {} for c in spec.containers]
    yield PodHere(
        host=spec.nodeName,
        namespace=meta.namespace or "",
        name=client.name_of(pod),
        cluster=labels.get(hosted.CLUSTER_LABEL, ""),
        part=labels.get(hosted.ROLE_LABEL, ""),
        reserved=total(map(_resources, requests)),
    )


def _resources(found: Mapping[str, str]) -> Amount:
    return Amount(cpu_millis(found.get("cpu", "0")), memory_bytes(found.get("memory", "0")))


def _cluster(resource: Mapping[str, Any]) -> Cluster:
    name = resource["metadata"]["name"]
    try:
        return Cluster.of_resource(resource)
    except ValidationError as exc:
        raise KubernetesError(
            f"cluster {name} has a specification that cannot be understood",
            cause="it was written by another version of Moorage, or past its schema",
            hint=f"`moorage cluster describe {name}`",
        ) from exc

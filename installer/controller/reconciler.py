"""Brings one cluster to what its resource says: each pass looks, does what is missing, and tells what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Node, Pod, Service
from lightkube.resources.core_v1 import Secret as SecretResource
from pydantic import ValidationError

from installer.controller import pools, room
from installer.controller.datastores import DatastoreNotReadyError, Datastores
from installer.controller.inside import Inside, PodOfNode
from installer.controller.manager_api import Api
from installer.controller.status import Condition, Found, NodeFound
from installer.core import clock
from installer.core.errors import KubernetesError
from installer.kubernetes import datastore, documents, hosted, node_pod
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

_GONE_TIMEOUT_S = 90


@dataclass(frozen=True)
class Look:
    """The end of a pass. `steady`: nothing is under way."""

    found: Found
    steady: bool


class ClusterReconciler:
    """One cluster. What it remembers between passes only saves work: a new one starts from what is there."""

    def __init__(self, name: str, api: Api, datastores: Datastores, settings: PlatformSettings) -> None:
        self._name = name
        self._namespace = hosted.namespace(name)
        self._api = api
        self._datastores = datastores
        self._settings = settings
        self._roots: Roots | None = None
        self._inside: Inside | None = None
        self._admitted = False
        self._ready_nodes: set[str] = set()

    def reconcile(self, resource: Mapping[str, Any]) -> Look:
        """One pass; raises KubernetesError when the manager's API does not do what it is asked."""
        cluster = parse(resource)
        if isinstance(cluster, Condition):
            return Look(Found(conditions=(cluster,)), steady=True)
        if refused := refusal(cluster, self._settings):
            return Look(Found(conditions=(refused,)), steady=True)
        self._api.apply([hosted.namespace_document(self._name), hosted.service(self._name)])
        roots = self._roots_of()
        address, port = self._service()
        if not address:
            return Look(Found(conditions=(Condition("ControlPlaneReady", False, "NoAddress"),)), steady=False)
        # Node pods first: they start while the control plane does, and find it when it answers.
        under_way = self._tend_pods(cluster, address, roots)
        plane = self._control_plane(cluster, address, port, roots)
        nodes = self._inside_cluster(cluster, address, roots, plane)
        found = Found(
            conditions=(plane.condition, nodes),
            endpoint=f"https://{self._settings.endpoints[0]}:{port}",
            control_plane_ready=plane.ready,
            control_plane_wanted=cluster.spec.control_plane.replicas,
            nodes=self._nodes_found(),
            nodes_wanted=_wanted_nodes(cluster),
        )
        return Look(found, steady=found.ready and not under_way)

    def delete(self) -> None:
        """Take everything away; returns once nothing is left. Raises KubernetesError to be called again."""
        tenant = datastore.Tenant(self._name)
        if self._api.get(Namespace, self._namespace) is not None:
            # First, since Kubernetes lets every namespace rest for five seconds; and no pod is made in it any more.
            self._api.delete(Namespace, self._namespace)
            for pod in self._api.list(Pod, self._namespace):
                self._api.delete(Pod, _meta(pod).name or "", self._namespace, grace_s=1)
        self._datastores.remove(tenant)
        clock.wait_until(
            lambda: None if self._api.get(Namespace, self._namespace) is None else "its namespace is still there",
            what=f"cluster {self._name} is gone",
            timeout_s=_GONE_TIMEOUT_S,
            clock=clock.SystemClock(),
            every_s=0.3,
            streak=1,
        )
        # An API server that was still ending may have written once more.
        self._datastores.remove(tenant)

    # --- control plane ----------------------------------------------------------------------------------------------

    def _roots_of(self) -> Roots:
        if self._roots is None:
            entries = self._api.secret(hosted.ROOTS, self._namespace)
            if not entries:
                labels = {hosted.CLUSTER_LABEL: self._name}
                made = Roots.generate(self._name).to_mapping()
                entries = self._api.secret_once(documents.secret(hosted.ROOTS, self._namespace, made, labels=labels))
            self._roots = Roots.from_mapping(entries)
        return self._roots

    def _service(self) -> tuple[str, int]:
        service = self._api.get(Service, hosted.CONTROL_PLANE, self._namespace)
        spec = service.spec if service else None
        if spec is None or not spec.clusterIP or not spec.ports:
            return "", 0
        return spec.clusterIP, spec.ports[0].nodePort or 0

    def _control_plane(self, cluster: Cluster, address: str, port: int, roots: Roots) -> _Plane:
        tenant = datastore.Tenant(self._name)
        try:
            store = self._datastores.shared()
            if not self._admitted:
                self._datastores.admit(tenant)
                self._admitted = True
        except DatastoreNotReadyError as exc:
            return _Plane(0, Condition("ControlPlaneReady", False, "DatastoreNotReady", exc.explain()))
        place = hosted.Place(
            address=address,
            node_port=port,
            etcd_servers=store.servers,
            etcd_ca=store.authority.cert_pem,
            etcd_user=tenant.user,
            etcd_prefix=tenant.registry,
        )
        seen = self._api.secret(hosted.CONTROL_PLANE, self._namespace)
        self._api.apply(
            hosted.control_plane_documents(cluster, place, self._settings, roots, datastore=store.authority, seen=seen)
        )
        if not self._api.secret(hosted.ADMIN_KUBECONFIG, self._namespace):
            self._api.secret_once(hosted.admin_kubeconfig(self._name, place, self._settings, roots))
        return self._plane(cluster)

    def _plane(self, cluster: Cluster) -> _Plane:
        found = self._api.get(Deployment, hosted.CONTROL_PLANE, self._namespace)
        status = found.status if found else None
        ready = (status.readyReplicas or 0) if status else 0
        updated = (status.updatedReplicas or 0) if status else 0
        observed = status.observedGeneration if status else None
        wanted = cluster.spec.control_plane.replicas
        current = found is not None and observed == _meta(found).generation
        total = (status.replicas or 0) if status else 0
        if current and ready >= wanted and updated >= wanted and total == wanted:
            return _Plane(
                ready, Condition("ControlPlaneReady", True, "Ready", f"{ready} of {wanted} replicas are ready")
            )
        why = "; ".join(self._why_waiting(hosted.CONTROL_PLANE))
        message = f"{ready} of {wanted} replicas are ready, {updated} are up to date{': ' if why else ''}{why}"
        return _Plane(ready, Condition("ControlPlaneReady", False, "Starting", message))

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _tend_pods(self, cluster: Cluster, address: str, roots: Roots) -> bool:
        by_name = {pool.name: pool for pool in cluster.spec.pools}
        wanted = [
            pools.WantedPool(
                name=pool.name, count=pool.count, shape=node_pod.shape(cluster, pool, address, self._settings)
            )
            for pool in cluster.spec.pools
        ]
        actions = pools.decide(wanted, [self._seen(pod) for pod in self._pods()])
        for action in actions:
            match action:
                case pools.Create(pool):
                    name = node_pod.new_name(pool)
                    made = node_pod.render(
                        cluster, by_name[pool], name, address=address, settings=self._settings, roots=roots
                    )
                    self._api.apply(made.documents)
                case pools.Delete(pod):
                    self._api.delete(Pod, pod, self._namespace)
                    self._api.delete(SecretResource, pod, self._namespace)
        return bool(actions)

    def _pods(self) -> list[Pod]:
        return self._api.list(Pod, self._namespace, hosted.labels(self._name, node_pod.PART))

    def _seen(self, pod: Pod) -> pools.SeenPod:
        meta = _meta(pod)
        name = meta.name or ""
        return pools.SeenPod(
            name=name,
            pool=(meta.labels or {}).get(node_pod.POOL_LABEL, ""),
            shape=(meta.annotations or {}).get(node_pod.SHAPE, ""),
            created=str(meta.creationTimestamp),
            ready=name in self._ready_nodes,
            ended=bool(pod.status and pod.status.phase in {"Failed", "Succeeded"}),
            leaving=meta.deletionTimestamp is not None,
        )

    def _nodes_found(self) -> tuple[NodeFound, ...]:
        seen = [pod for pod in self._pods() if _meta(pod).deletionTimestamp is None]
        found = [(self._seen(pod), _of_node(pod).host) for pod in seen]
        nodes = [NodeFound(pod.name, pod.pool, host, pod.ready) for pod, host in found]
        return tuple(sorted(nodes, key=lambda node: node.name))

    def _inside_cluster(self, cluster: Cluster, address: str, roots: Roots, plane: _Plane) -> Condition:
        wanted = _wanted_nodes(cluster)
        if not plane.ready:
            return Condition("NodesReady", False, "NoControlPlane", "the nodes wait for the control plane")
        pods = [pod for pod in self._pods() if _meta(pod).deletionTimestamp is None]
        try:
            if self._inside is None:
                self._inside = Inside(cluster, address, roots)
            self._inside.furnish(self._settings, cluster)
            self._ready_nodes = self._inside.tend({of.name: of for of in map(_of_node, pods)}, self._places())
        except KubernetesError as exc:
            self._inside = None
            return Condition("NodesReady", False, "ApiUnavailable", f"the cluster's API: {exc}")
        if len(self._ready_nodes) == wanted == len(pods):
            return Condition("NodesReady", True, "Ready", f"{wanted} of {wanted} nodes are ready")
        why = "; ".join(self._why_waiting(node_pod.PART))
        message = f"{len(self._ready_nodes)} of {wanted} nodes are ready{': ' if why else ''}{why}"
        return Condition("NodesReady", False, "Starting", message)

    def _places(self) -> Mapping[str, Mapping[str, str]]:
        return {_meta(n).name or "": _meta(n).labels or {} for n in self._api.list(Node)}

    def _why_waiting(self, part: str) -> list[str]:
        """What holds the pods of a part up, in the scheduler's and the kubelet's words."""
        reasons = []
        for pod in self._api.list(Pod, self._namespace, hosted.labels(self._name, part)):
            name = _meta(pod).name
            for condition in (pod.status.conditions or []) if pod.status else []:
                if condition.type == "PodScheduled" and condition.status == "False":
                    reasons.append(f"{name} cannot be placed: {self._why_unplaced(pod) or condition.message}")
            for container in (pod.status.containerStatuses or []) if pod.status else []:
                waiting = container.state.waiting if container.state else None
                if waiting and waiting.reason not in {"ContainerCreating", "PodInitializing"}:
                    reasons.append(f"{name}: {container.name}: {waiting.reason}: {waiting.message or ''}".rstrip(": "))
        return reasons

    def _why_unplaced(self, pod: Pod) -> str:
        """Requested against free on each host that may carry it; empty when room is not what it lacks."""
        hosts = [node for node in self._api.list(Node) if not (node.spec and node.spec.taints)]
        return room.explain(room.requested(pod), room.free(hosts, self._api.list(Pod, "*")))


@dataclass(frozen=True)
class _Plane:
    ready: int  # replicas
    condition: Condition


def parse(resource: Mapping[str, Any]) -> Cluster | Condition:
    """The cluster that a resource describes, or why it cannot be understood."""
    meta = {"name": resource["metadata"]["name"]}
    try:
        return Cluster.model_validate(
            {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": meta, "spec": resource.get("spec") or {}}
        )
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors(include_input=False)]
        return Condition("ControlPlaneReady", False, "SpecRefused", "; ".join(sorted(faults)))


def refusal(cluster: Cluster, settings: PlatformSettings) -> Condition | None:
    """Why a cluster cannot be made on this platform; None when it can."""
    if cluster.spec.version not in settings.versions:
        offered = ", ".join(settings.versions)
        message = f"release {settings.release} has no Kubernetes {cluster.spec.version}; it offers {offered}"
        return Condition("ControlPlaneReady", False, "VersionRefused", message)
    if cluster.spec.datastore == "dedicated":
        message = "a datastore of its own is not supported yet: leave spec.datastore out, or set it to shared"
        return Condition("ControlPlaneReady", False, "DatastoreRefused", message)
    network = cluster.spec.network
    for what, theirs in (("pods", network.pods), ("services", network.services)):
        for whose, ours in (("pods", settings.pods), ("services", settings.services)):
            if theirs.overlaps(ours):
                message = f"spec.network.{what} {theirs} overlaps the manager's {whose} {ours}"
                return Condition("ControlPlaneReady", False, "NetworkRefused", message)
    return None


def _wanted_nodes(cluster: Cluster) -> int:
    return sum(pool.count for pool in cluster.spec.pools)


def _of_node(pod: Pod) -> PodOfNode:
    status, spec = pod.status, pod.spec
    return PodOfNode(
        _meta(pod).name or "", (status.podIP or "") if status else "", (spec.nodeName or "") if spec else ""
    )


def _meta(found: Any) -> Any:
    """An object's metadata; what an API server hands out always has it."""
    if found.metadata is None:
        raise KubernetesError(f"the API server answered with a {type(found).__name__} without metadata")
    return found.metadata

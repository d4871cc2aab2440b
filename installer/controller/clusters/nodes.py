"""A cluster's nodes: node pods made, replaced and taken away, each drained before it goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube.resources.core_v1 import Pod
from lightkube.resources.core_v1 import Secret as SecretResource
from lightkube.types import PatchType

from installer.controller.clusters import drain, pools, waiting
from installer.controller.clusters.drains import Drains, named
from installer.controller.clusters.inside import Inside, NodeSeen, PodOfNode
from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api, meta_of
from installer.controller.status import STARTING, Condition, Happened, NodeFound
from installer.kubernetes import client, hosted, lost, node_pod, storage
from installer.kubernetes.cluster_status import UPDATING
from installer.kubernetes.marks import Marks
from installer.kubernetes.roots import Roots, Stage
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster
from installer.spec.pools import Pool

DRAINING_SINCE: Final = "moorage.dev/draining-since"  # on a node pod, RFC 3339: a drain outlives the controller
_TOPOLOGY: Final = (lost.REGION, lost.ZONE)


@dataclass(frozen=True)
class Place:
    """What new nodes must know of their cluster."""

    address: str
    roots: Roots
    volumes: frozenset[str] = frozenset()  # hosts where the cluster has some


class Nodes:
    """The nodes of one cluster. What it remembers, the next pass could find out again."""

    def __init__(
        self,
        name: str,
        api: Api,
        settings: PlatformSettings,
        hosts: Hosts,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._namespace = hosted.namespace(name)
        self._api = api
        self._settings = settings
        self._hosts = hosts
        self._now = now
        self._drains = Drains(now)
        self._seen: Mapping[str, NodeSeen] = {}
        self._listed: list[Pod] | None = None
        self._asked: Cluster | None = None
        self._pools: Sequence[pools.WantedPool] = ()

    def grow(self, cluster: Cluster, place: Place) -> list[Happened]:
        """Make the nodes that are missing; needs nothing of the cluster's own API, so they start beside it."""
        self._listed = None
        pods = [self._pod(pod, place) for pod in self._pods()]
        return [self._create(cluster, place, action) for action in pools.missing(self._wanted(cluster, place), pods)]

    def tend(self, cluster: Cluster, place: Place, inside: Inside, *, replacing: bool) -> list[Happened]:
        """Look at the nodes through the cluster's API, and go on with what is to be replaced or taken away."""
        listed = self._pods()
        # While authorities change, a controller manager from before might sign with the old one.
        admitting = replacing or place.roots.stage is Stage.SETTLED
        self._seen = inside.tend(self._pods_of_nodes(cluster, listed), admitting=admitting)
        inside.bury([meta_of(pod).name for pod in listed])
        pods = [self._pod(pod, place) for pod in listed]
        happened: list[Happened] = []
        going = set()
        for action in pools.decide(self._wanted(cluster, place), pods, replacing=replacing):
            match action:
                case pools.Create():
                    happened.append(self._create(cluster, place, action))
                case pools.Delete(name):
                    going.add(name)
                    happened += self._take_away(cluster, next(pod for pod in pods if pod.name == name), action, inside)
        for pod in pods:
            if replacing and pod.draining_since and pod.name not in going and not pod.leaving:
                happened.append(self._keep(pod.name, inside))
        return happened

    def found(self) -> tuple[NodeFound, ...]:
        """The nodes for the status."""
        live = [pod for pod in self._pods() if meta_of(pod).deletionTimestamp is None]
        seen = [(self._pod(pod), pod.spec.nodeName if pod.spec else None) for pod in live]
        nodes = [NodeFound(pod.name, pod.pool, host or "", pod.ready, bool(pod.draining_since)) for pod, host in seen]
        return tuple(sorted(nodes, key=lambda node: node.name))

    def condition(self, cluster: Cluster, place: Place) -> Condition:
        """Whether all nodes are there, ready, and made as they are to be."""
        seen = [self._pod(pod, place) for pod in self._pods()]
        wanted, pods = self._wanted(cluster, place), [pod for pod in seen if not pod.leaving]
        count = sum(pool.count for pool in wanted)
        ready = sum(pod.ready and not pod.draining_since for pod in pods)
        shapes = {pool.name: pool.shape for pool in wanted}
        old = [pod.name for pod in pods if shapes.get(pod.pool) != pod.shape]
        displaced = [pod.name for pod in pods if pod.displaced]
        if ready == count == len(pods) and not old and not displaced:
            return Condition("NodesReady", True, "Ready", f"{count} of {count} nodes are ready")
        parts = [f"{ready} of {count} nodes are ready"]
        parts += [f"{len(old)} are still made as before"] if old else []
        parts += [f"{len(displaced)} are on a host that is to be empty"] if displaced else []
        late = [pod.name for pod in pods if not pod.ready]
        parts += [f"not ready yet: {named(late)}"] if late else []
        parts += self._cut_off()
        for pod in pods:
            if pod.draining_since:
                parts += [f"{pod.name} is drained since {pod.draining_since}", *self._drains.held(pod.name)]
        parts += [why] if (why := waiting.reasons(self._api, self._name, node_pod.PART, self._hosts.free)) else []
        return Condition("NodesReady", False, UPDATING if ready >= count else STARTING, "; ".join(parts))

    # --- acts -------------------------------------------------------------------------------------------------------

    def _create(self, cluster: Cluster, place: Place, action: pools.Create) -> Happened:
        pool = next(pool for pool in cluster.spec.shared_pools if pool.name == action.pool)
        name = node_pod.new_name(pool.name)
        made = node_pod.render(
            cluster,
            pool,
            name,
            address=place.address,
            settings=self._settings,
            roots=place.roots,
            near=self._near(cluster, place),
        )
        self._api.apply(made.documents)
        self._listed = None
        return Happened("NodeCreated", f"node {name} of pool {pool.name}")

    def _take_away(self, cluster: Cluster, pod: pools.SeenPod, action: pools.Delete, inside: Inside) -> list[Happened]:
        """One step: cordon, evict, or, when the node is empty or its time is over, delete."""
        if (node := self._seen.get(pod.name)) is None:  # it never joined
            return [self._delete(pod.name, action.reason)]
        happened = []
        if not pod.draining_since:
            self._note(pod.name, datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds"))
            happened.append(Happened("NodeDraining", f"node {pod.name}: {action.reason}"))
        if not node.cordoned:
            inside.cordon(pod.name, closed=True)
        step = self._step(cluster, pod, node, inside)
        if not step.over:
            return happened
        if step.timed_out:
            happened.append(self._drains.timed_out(pod.name, step))
        return [*happened, self._delete(pod.name, action.reason)]

    def _step(self, cluster: Cluster, pod: pools.SeenPod, node: NodeSeen, inside: Inside) -> drain.Step:
        pool = next((one for one in cluster.spec.pools if one.name == pod.pool), None)
        return self._drains.step(pod.name, inside, pool, since=pod.draining_since, alive=node.ready)

    def _delete(self, name: str, reason: str) -> Happened:
        self._drains.forget(name)
        self._api.delete(Pod, name, self._namespace)
        self._listed = None
        self._api.delete(SecretResource, name, self._namespace)
        return Happened("NodeRemoved", f"node {name}: {reason}")

    def _keep(self, name: str, inside: Inside) -> Happened:
        """The end of a drain that is not wanted any more."""
        inside.cordon(name, closed=False)
        self._note(name, None)
        self._drains.forget(name)
        return Happened("DrainCancelled", f"node {name} stays")

    def _note(self, name: str, since: str | None) -> None:
        self._listed = None
        with client.translated(f"note the drain of node pod {name}"):
            self._api.client.patch(
                Pod,
                name,
                {"metadata": {"annotations": {DRAINING_SINCE: since}}},
                namespace=self._namespace,
                patch_type=PatchType.MERGE,
            )

    # --- looks ------------------------------------------------------------------------------------------------------

    def _wanted(self, cluster: Cluster, place: Place) -> Sequence[pools.WantedPool]:
        if cluster != self._asked:  # shapes take rendering
            self._asked = cluster
            self._pools = [
                pools.WantedPool(
                    name=pool.name,
                    count=pool.count,
                    shape=node_pod.shape(cluster, pool, place.address, self._settings),
                    surge=pool.max_surge,
                    unavailable=pool.max_unavailable,
                )
                for pool in cluster.spec.shared_pools
            ]
        return self._pools

    def _near(self, cluster: Cluster, place: Place) -> tuple[str, ...]:
        """Hosts with volumes of the cluster and no node that will stay: a pod that needs one of those would wait."""
        if not place.volumes:
            return ()
        listed = self._pods()
        staying = pools.staying(self._wanted(cluster, place), [self._pod(pod, place) for pod in listed])
        held = {pod.spec.nodeName for pod in listed if pod.spec and meta_of(pod).name in staying}
        return tuple(sorted(place.volumes - held))

    def _cut_off(self) -> list[str]:
        """How many nodes are in regions that are cut off, and since when."""
        on = Counter(pod.spec.nodeName for pod in self._pods() if pod.spec and meta_of(pod).deletionTimestamp is None)
        return [
            f"{nodes} in region {region}, which is cut off since {one.moment}"
            for region, one in self._hosts.cut_off().items()
            if (nodes := sum(on[host] for host in one.hosts))
        ]

    def _pods(self) -> list[Pod]:
        """Listed once a pass, and again after what we change of them."""
        if self._listed is None:
            self._listed = self._api.list(Pod, self._namespace, hosted.labels(self._name, node_pod.PART))
        return self._listed

    def _pod(self, pod: Pod, place: Place | None = None) -> pools.SeenPod:
        """`place` decides whether the pod may be where it is."""
        host = (pod.spec.nodeName or "") if pod.spec else ""
        meta = meta_of(pod)
        name, annotations = meta.name or "", meta.annotations or {}
        seen = self._seen.get(name)
        return pools.SeenPod(
            name=name,
            pool=(meta.labels or {}).get(node_pod.POOL_LABEL, ""),
            shape=annotations.get(node_pod.SHAPE, ""),
            created=str(meta.creationTimestamp),
            ready=seen is not None and seen.ready and seen.marked,
            ended=bool(pod.status and pod.status.phase in {"Failed", "Succeeded"}),
            leaving=meta.deletionTimestamp is not None,
            draining_since=annotations.get(DRAINING_SINCE, ""),
            displaced=place is not None and host not in place.volumes and host in self._hosts.drained(),
        )

    def _pods_of_nodes(self, cluster: Cluster, pods: Sequence[Pod]) -> dict[str, PodOfNode]:
        hosts = self._hosts.labels({pod.spec.nodeName for pod in pods if pod.spec and pod.spec.nodeName})
        by_name = {pool.name: pool for pool in cluster.spec.shared_pools}
        found = {}
        for pod in pods:
            meta, status, spec = meta_of(pod), pod.status, pod.spec
            if meta.deletionTimestamp is None and meta.name:
                host = (spec.nodeName or "") if spec else ""
                pool = by_name.get((meta.labels or {}).get(node_pod.POOL_LABEL, ""))
                address = (status.podIP or "") if status else ""
                found[meta.name] = PodOfNode(meta.name, address, host, marks(pool, host, hosts.get(host, {})))
        return found


def marks(pool: Pool | None, host: str, labels: Mapping[str, str]) -> Marks | None:
    """What a node of a pool is told of itself and its host (with these labels in the manager); None: leave it be."""
    if pool is None or not host:
        return None
    where = {key: labels[key] for key in _TOPOLOGY if key in labels}
    return Marks({**pool.labels, node_pod.POOL_LABEL: pool.name, storage.HOST_LABEL: host, **where}, pool.taints)

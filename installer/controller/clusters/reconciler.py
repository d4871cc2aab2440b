"""Brings one cluster to what its resource says: each pass looks, does what is missing, and tells what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Namespace, Pod, Service

from installer.controller import lost_hosts
from installer.controller.address_pools import AddressPools
from installer.controller.clusters import dedicated, home, nodes, plane, versions, watch
from installer.controller.clusters.authorities import Authorities, LostError, fingerprint
from installer.controller.clusters.inside import Inside
from installer.controller.clusters.leaders import Leaders
from installer.controller.clusters.load_balancers import LoadBalancers
from installer.controller.clusters.node_secrets import NodeSecrets
from installer.controller.clusters.registries import Registries
from installer.controller.clusters.rotation import Rotation, Seen, Wish
from installer.controller.clusters.starts import Starts
from installer.controller.clusters.volumes import Volumes
from installer.controller.clusters.wanted import parse, refusal
from installer.controller.datastores.datastores import Datastores
from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api, meta_of
from installer.controller.status import Attempt, Condition, Found, Happened, NodeFound
from installer.core import clock
from installer.core.errors import KubernetesError
from installer.kubernetes import datastore, hosted, storage
from installer.kubernetes.cluster_status import PENDING, QUEUED
from installer.kubernetes.roots import Stage
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

_GONE_TIMEOUT_S = 120


@dataclass(frozen=True)
class Look:
    """The end of a pass. `steady`: nothing is under way; `queued`: it is told when it is its turn."""

    found: Found
    steady: bool
    queued: bool = False
    happened: tuple[Happened, ...] = ()


class ClusterReconciler:
    """One cluster. What it remembers between passes only saves work: a new one starts from what is there."""

    def __init__(
        self,
        name: str,
        api: Api,
        datastores: Datastores,
        settings: PlatformSettings,
        *,
        pools: AddressPools,
        starts: Starts,
        hosts: Hosts,
    ) -> None:
        self._name = name
        self._namespace = hosted.namespace(name)
        self._api = api
        self._datastores = datastores
        self._home = home.Home(name, api, datastores)
        self._settings = settings
        self._starts = starts
        self._hosts = hosts
        self._plane = plane.Plane(name, api, datastores, settings, hosts=hosts, starts=starts)
        self._nodes = nodes.Nodes(name, api, settings, hosts)
        self._dedicated = dedicated.Dedicated(name, api)
        self.volumes = Volumes(name, api, settings)
        self.load_balancers = LoadBalancers(name, api, pools)
        self._node_secrets = NodeSecrets(name, api, settings)
        self._registries = Registries(name, api)
        self._leaders = Leaders(name, api)
        self._authorities = Authorities(name, api, settings)
        self._rotation = Rotation(name, api, self._authorities)
        self._inside: Inside | None = None
        # A pass that is under way when the resource is deleted must not make again what goes.
        self._one_at_a_time = threading.Lock()
        self._deleted = False
        self._had_nodes_on: set[str] = set()  # where a deleted cluster had nodes

    def reconcile(self, resource: Mapping[str, Any]) -> Look | None:
        """One pass; None once the cluster is deleted.

        Raises KubernetesError when the manager's API does not do what it is asked.
        """
        with self._one_at_a_time:
            if self._deleted or resource["metadata"].get("deletionTimestamp"):
                return None
            look = self._look(resource)
            if look.steady:
                self._starts.leave(self._name)
            return look

    def _look(self, resource: Mapping[str, Any]) -> Look:
        cluster = parse(resource)
        if isinstance(cluster, Condition):
            return Look(Found(conditions=(cluster,)), steady=True)
        if refused := refusal(cluster, self._settings):
            return Look(Found(conditions=(refused,)), steady=True)
        status = resource.get("status") or {}
        if waits := self._queued(status):
            return Look(Found(conditions=(waits,)), steady=False, queued=True)
        attempt = Attempt(cluster.spec.version, resource["metadata"]["generation"], self._settings.bundle)
        course = versions.course(status, attempt)
        if refused := versions.refusal(course):
            return Look(Found(conditions=(refused,)), steady=True)
        try:
            return self._pass(cluster, status, Wish.of(resource["metadata"].get("annotations")), course)
        except LostError as exc:
            return Look(Found(conditions=(exc.condition,)), steady=True)

    def _queued(self, status: Mapping[str, Any]) -> Condition | None:
        """Why a cluster that has never been ready may not start yet."""
        if status.get("phase", PENDING) == PENDING and (before := self._starts.enter(self._name)):
            message = "1 other cluster starts" if before == 1 else f"{before} other clusters start"
            return Condition("ControlPlaneReady", False, QUEUED, f"{message} before it")
        return None

    def _pass(self, cluster: Cluster, status: Mapping[str, Any], wish: Wish, course: versions.Course) -> Look:
        name = self._name
        self._api.apply([hosted.namespace_document(name), hosted.service(name), hosted.egress_service(name)])
        left = self._leave_lost_hosts()
        volumes = recorded(status)
        where = self._home.where(cluster)
        noted = status.get("authority", "")
        roots, restored = self._authorities.keep(noted, wish.asked)
        address, port = self._service()
        if not address:
            return Look(Found(conditions=(Condition("ControlPlaneReady", False, "NoAddress"),)), steady=False)
        place = nodes.Place(
            address, roots, frozenset(host for host, count in volumes.items() if count) - dedicated.hosts(cluster)
        )
        registries = self._registries.keep(cluster)
        # Node pods first: they start while the control plane does, and find it when it answers.
        reached = cluster.at(course.whole)
        happened = [*left, *self._nodes.grow(reached, place)]
        at = plane.Where(where.at, address, port)
        seen, changed = self._plane.ensure(cluster.at(course.version), at, roots, generation=course.attempt.generation)
        if seen.condition.ok and status.get("phase", PENDING) != PENDING:  # its nodes may still follow
            self._starts.leave(name)
        if seen.condition.ok:
            reached = cluster.at(course.version)
        course, failed = versions.judged(course, seen.given_up)
        happened += self._node_secrets.keep(reached, place, signs=seen.condition.ok)
        condition, more = self._inside_cluster(reached, place, seen)
        waits = [one.message or one.reason for one in (seen.condition, condition) if not one.ok]
        rotating, advanced = self._rotation.go_on(
            wish, Seen(roots, noted, waits, self._dedicated.addresses()), self._inside
        )
        found_nodes = (*self._nodes.found(), *self._dedicated.found(reached))
        served, settled = self._tend_volumes(cluster, found_nodes, volumes, seen)
        balanced = self._tend_load_balancers(cluster, seen)
        stored, moved = self._home.tend(cluster, self._plane, serves=seen.condition.ok)
        found = Found(
            conditions=(
                seen.condition,
                condition,
                *([joined] if (joined := self._dedicated.condition(reached)) else ()),
                served,
                stored,
                *([registries] if registries else ()),
                *([balanced] if balanced else ()),
                *([told] if (told := versions.told(course)) else ()),
                *([rotating] if rotating else ()),
            ),
            authority=fingerprint(roots),
            endpoint=f"https://{self._settings.endpoints[0]}:{port}",
            control_plane_ready=seen.ready,
            control_plane_wanted=cluster.spec.control_plane.replicas,
            version=reached.spec.version,
            failed=course.failed,
            nodes=found_nodes,
            nodes_wanted=sum(pool.count for pool in cluster.spec.pools),
            volumes=self.volumes.record(volumes, found_nodes),
            bundle=self._settings.bundle,
        )
        done = (*restored, *happened, *changed, *failed, *more, *moved, *advanced)
        well = all(one.ok for one in (seen.condition, condition, served, *([rotating] if rotating else ())))
        well = well and not home.is_moving(stored) and not self._dedicated.empties
        return Look(found, steady=well and settled and not done, queued=seen.queued and not done, happened=done)

    def _leave_lost_hosts(self) -> list[Happened]:
        """Have its pods on hosts that are given up made elsewhere: they were to wait, should it be a whole region."""
        left = lost_hosts.leave(self._api, self._namespace, self._hosts.given_up())
        return [Happened("HostLost", f"what was on {left} is made elsewhere", warning=True)] if left else []

    def _inside_cluster(
        self, cluster: Cluster, place: nodes.Place, seen: plane.Seen
    ) -> tuple[Condition, list[Happened]]:
        """What needs the cluster's own API, once it answers."""
        if not seen.ready:
            return Condition("NodesReady", False, "NoControlPlane", "the nodes wait for the control plane"), []
        try:
            if self._inside is None or not self._inside.serves(place.roots):
                self._inside = Inside(cluster, place.address, place.roots)
            self._inside.furnish(self._settings, cluster, rotating=place.roots.stage is not Stage.SETTLED)
            self._leaders.release(self._inside.api)
            # No node is newer than any API server: kubelets may be older, never younger. And nobody is drained while a
            # control plane is replaced: without a controller manager that leads, Services lead to pods that have ended.
            happened = self._nodes.tend(cluster, place, self._inside, replacing=seen.condition.ok)
            happened += self._dedicated.tend(cluster, self._inside)
        except KubernetesError as exc:
            self._inside = None
            return Condition("NodesReady", False, "ApiUnavailable", f"the cluster's API: {exc}"), []
        return self._nodes.condition(cluster, place), happened

    def _tend_volumes(
        self, cluster: Cluster, found: Sequence[NodeFound], volumes: Mapping[str, int], seen: plane.Seen
    ) -> tuple[Condition, bool]:
        """Whether claims are served, and whether nothing is under way for one."""
        if not seen.ready or self._inside is None:
            return Condition("VolumesReady", False, "NoControlPlane", "volumes wait for the cluster's API"), True
        try:
            settled = self.volumes.tend(cluster, self._inside.api, found, volumes)
        except KubernetesError as exc:
            return Condition("VolumesReady", False, "Failed", str(exc)), False
        return Condition("VolumesReady", True, "Ready"), settled

    def _tend_load_balancers(self, cluster: Cluster, seen: plane.Seen) -> Condition | None:
        """How Services of type LoadBalancer are; None where they are nothing to talk about."""
        if not seen.ready or self._inside is None:
            return None
        try:
            return self.load_balancers.tend(cluster, self._inside.api, self._dedicated.serving())
        except KubernetesError as exc:
            return Condition("LoadBalancersReady", False, "Failed", str(exc))

    def also(self) -> watch.Also:
        """What matters in the cluster beside Services and volumes."""
        return watch.Also(pods=self.load_balancers.follows_pods(), hosts=self._dedicated.matters)

    def changed_inside(self) -> None:
        """Something in the cluster wants to be looked at: the next pass does. May be called from any thread."""
        self.volumes.changed()
        self.load_balancers.changed()

    def pod_changed(self, namespace: str) -> None:
        """A pod of the cluster, in this namespace of the manager, is another. May be called from any thread."""
        if namespace == storage.NAMESPACE:
            self.volumes.changed()
            return
        self._leaders.changed()
        if self.load_balancers.follows_pods():
            self.load_balancers.changed()

    def watcher(self) -> AsyncClient | None:
        """A client of the cluster's own API for an event loop; None while that API is not known to answer."""
        inside = self._inside
        return inside.watcher() if inside else None

    def delete(self, resource: Mapping[str, Any]) -> list[Happened]:
        """Take everything away; returns once nothing is left, but for what it tells.

        Raises InstallerError to be called again.
        """
        self._deleted = True
        self._starts.leave(self._name)
        with self._one_at_a_time:
            spec = resource.get("spec") or {}
            # What is on a dedicated host goes when that is cleaned.
            whole = {host for pool in spec.get("pools") or () for host in pool.get("hosts") or ()}
            self._had_nodes_on.update(recorded(resource.get("status") or {}).keys() - whole)
            return self._delete(self._home.everywhere(spec))

    def _delete(self, stores: Sequence[str]) -> list[Happened]:
        if self._api.get(Namespace, self._namespace) is not None:
            # First, since Kubernetes lets every namespace rest for five seconds; and no pod is made in it any more.
            self._api.delete(Namespace, self._namespace)
            self._had_nodes_on.update(node.host for node in self._nodes.found() if node.host)
            for pod in self._api.list(Pod, self._namespace):
                self._api.delete(Pod, meta_of(pod).name or "", self._namespace, grace_s=1)
        self.load_balancers.release()
        for store in stores:
            if store != datastore.own(self._name):
                self._datastores.release(self._name, store)
        self._until(self._pods_left, f"the pods of cluster {self._name} are gone")
        told = self.volumes.clear(self._had_nodes_on)  # while the namespace rests
        self._until(self._left, f"cluster {self._name} is gone")
        # An API server that was still ending may have written once more.
        for store in stores:
            self._until(lambda store=store: self._kept(store), f"nothing of cluster {self._name} is in {store}")  # type: ignore[misc]
        return told

    def _kept(self, store: str) -> str | None:
        """Why a datastore still holds something of the cluster; None when it does not."""
        gone = self._datastores.release(self._name, store)
        return None if gone else f"datastore {store}, which it has to itself, is still there"

    def _until(self, check: Callable[[], str | None], what: str) -> None:
        clock.wait_until(check, what=what, timeout_s=_GONE_TIMEOUT_S, clock=clock.SystemClock(), every_s=0.5)

    def _pods_left(self) -> str | None:
        """Why there are pods still; None when all are gone."""
        gone = lost_hosts.release_pods(self._api, self._namespace)
        left = [meta_of(pod).name for pod in self._api.list(Pod, self._namespace)]
        return f"still there: {', '.join(left)}{f', some were on {gone}' if gone else ''}" if left else None

    def _left(self) -> str | None:
        """Why the namespace is still there; None when it is gone."""
        return None if self._api.get(Namespace, self._namespace) is None else "its namespace is still there"

    def _service(self) -> tuple[str, int]:
        service = self._api.get(Service, hosted.CONTROL_PLANE, self._namespace)
        spec = service.spec if service else None
        if spec is None or not spec.clusterIP or not spec.ports:
            return "", 0
        return spec.clusterIP, spec.ports[0].nodePort or 0


def recorded(status: Mapping[str, Any]) -> dict[str, int]:
    """The hosts that may have a directory with volumes of a cluster, and how many, as its status says."""
    return {entry["host"]: entry["count"] for entry in status.get("volumes") or ()}

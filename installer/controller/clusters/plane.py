"""A cluster's control plane: its data admitted to the datastore, its Deployment as it should be, how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

from installer.controller.clusters import home, turns, versions, waiting
from installer.controller.clusters.starts import Starts
from installer.controller.datastores.datastores import Datastores
from installer.controller.datastores.one_pass import DatastoreNotReadyError
from installer.controller.hosts import Hosts
from installer.controller.kept import Kept
from installer.controller.manager_api import Api, meta_of
from installer.controller.status import STARTING, Condition, Happened
from installer.core.errors import KubernetesError
from installer.kubernetes import datastore, egress, hosted
from installer.kubernetes.cluster_status import QUEUED, UPDATING
from installer.kubernetes.documents import Document
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster


@dataclass(frozen=True)
class Where:
    """Where it is reached, and the datastore with its data."""

    datastore: str
    address: str
    port: int


@dataclass(frozen=True)
class Seen:
    """A control plane as it is."""

    ready: int  # replicas
    condition: Condition
    given_up: str = ""  # why its newest pods do not come up, once Kubernetes has given them up

    @property
    def queued(self) -> bool:
        """Whether it is to be another, and waits for its turn."""
        return self.condition.reason == QUEUED


class Plane:
    """One cluster's control plane."""

    def __init__(
        self,
        name: str,
        api: Api,
        datastores: Datastores,
        settings: PlatformSettings,
        *,
        hosts: Hosts,
        starts: Starts,
    ) -> None:
        self._name = name
        self._namespace = hosted.namespace(name)
        self._api = api
        self._datastores = datastores
        self._settings = settings
        self._hosts = hosts
        self._starts = starts
        self._rendered: Kept[list[Document]] = Kept()
        self._admitted = ""  # to the datastore of this name

    def ensure(self, cluster: Cluster, where: Where, roots: Roots, *, generation: int) -> tuple[Seen, list[Happened]]:
        """Bring it to what the cluster says, in this generation of its resource, one step; never waits for pods."""
        at, wanted = where.datastore, home.wanted(cluster)
        tenant = datastore.Tenant(self._name)
        try:
            if at == wanted:
                self._datastores.provide(cluster)
            store = self._datastores.serving(at)
            if self._admitted != at:
                self._datastores.admit(self._name, at)
                self._admitted = at
        except DatastoreNotReadyError as exc:
            return Seen(0, Condition("ControlPlaneReady", False, "DatastoreNotReady", exc.explain())), []
        place = hosted.Place(
            address=where.address,
            node_port=where.port,
            egress=self._egress(),
            etcd_servers=store.servers,
            etcd_ca=store.authority.trusted,
            etcd_user=tenant.user,
            etcd_prefix=tenant.registry,
            # It goes to another region once its data is there.
            region=(at == wanted and cluster.spec.control_plane.region) or store.region,
        )
        seen = self._api.secret(hosted.CONTROL_PLANE, self._namespace)
        before = self._found()
        moved = self._moved(before)
        secret, deployment = self._rendered.get(
            (cluster, place, roots, store.authority, seen, moved),
            lambda: hosted.control_plane_documents(
                cluster, place, self._settings, roots, datastore=store.authority, seen=seen, moved=moved
            ),
        )
        deployment = turns.marked(deployment, generation)
        if seen and turns.may_wait(before, deployment):
            if ahead := self._starts.enter(self._name, replaced=True):
                ready = (before.status.readyReplicas or 0) if before and before.status else 0
                waits = turns.queued(ready, cluster.spec.control_plane.replicas, ahead)
                return Seen(ready, waits), self._admin(place, roots)
        elif turns.differs(before, deployment):
            self._starts.go_ahead(self._name)
        found = self._found() if self._api.apply([secret, deployment]) else before
        happened = [*changes(before, found), *self._admin(place, roots)]
        return self._look(found, cluster.spec.control_plane.replicas), happened

    def halt(self) -> None:
        """End its pods and let nobody in; the next `ensure` does the opposite of both."""
        self._admitted = ""
        self._api.patch(Deployment, hosted.CONTROL_PLANE, self._namespace, {"spec": {"replicas": 0}})

    def _moved(self, before: Deployment | None) -> str:
        """When its pods were last to leave a host: another time than before replaces them, each successor first."""
        template = before.spec.template if before and before.spec else None
        last = hosted.moved(template.metadata.annotations if template and template.metadata else None)
        if not (drained := self._hosts.drained()):
            return last
        pods = self._api.list(Pod, self._namespace, hosted.labels(self._name, hosted.CONTROL_PLANE))
        live = [pod for pod in pods if pod.spec and meta_of(pod).deletionTimestamp is None]
        return max([last, *(drained.get(pod.spec.nodeName or "", "") for pod in live if pod.spec)])

    def _admin(self, place: hosted.Place, roots: Roots) -> list[Happened]:
        """The administrator's kubeconfig, made, or made again before its certificate ends."""
        had = self._api.secret(hosted.ADMIN_KUBECONFIG, self._namespace)
        wanted = hosted.admin_kubeconfig(self._name, place, self._settings, roots, seen=had)
        if wanted is None:
            return []
        self._api.apply([wanted])
        message = f"fetch it anew: `moorage cluster kubeconfig {self._name}`"
        return [Happened("AdminKubeconfigRenewed", message)] if had else []

    def _egress(self) -> str:
        service = self._api.get(Service, egress.NAME, self._namespace)
        if service is None or service.spec is None or not service.spec.clusterIP:
            raise KubernetesError(f"Service {egress.NAME} in {self._namespace} has no address yet")
        return service.spec.clusterIP

    def _found(self) -> Deployment | None:
        return self._api.get(Deployment, hosted.CONTROL_PLANE, self._namespace)

    def _look(self, found: Deployment | None, wanted: int) -> Seen:
        status = found.status if found else None
        ready = (status.readyReplicas or 0) if status else 0
        updated = (status.updatedReplicas or 0) if status else 0
        total = (status.replicas or 0) if status else 0
        current = found is not None and status is not None and status.observedGeneration == meta_of(found).generation
        if current and ready >= wanted and updated >= wanted and total == wanted:
            message = f"{ready} of {wanted} replicas are ready"
            return Seen(ready, Condition("ControlPlaneReady", True, "Ready", message))
        why = waiting.reasons(self._api, self._name, hosted.CONTROL_PLANE, self._hosts.free)
        message = f"{ready} of {wanted} replicas are ready, {updated} are up to date{': ' if why else ''}{why}"
        # Enough serve, of the one kind or the other: what is missing is only the change.
        reason = UPDATING if ready >= wanted else STARTING
        given_up = ""
        if found is not None and versions.given_up(found):
            given_up = why or versions.not_made(found) or f"not ready for {hosted.PROGRESS_S} s"
        return Seen(ready, Condition("ControlPlaneReady", False, reason, message), given_up)


def changes(before: Deployment | None, after: Deployment | None) -> list[Happened]:
    """What an apply changed, for people."""
    if after is None or after.spec is None:
        return []
    wanted = after.spec.replicas or 0
    if before is None or before.spec is None:
        return [Happened("ControlPlaneCreated", f"a control plane of {_replicas(wanted)}")]
    happened = []
    if (had := before.spec.replicas or 0) != wanted:
        happened.append(Happened("ControlPlaneScaled", f"from {had} to {_replicas(wanted)}"))
    if before.spec.template != after.spec.template:
        happened.append(Happened("ControlPlaneUpdating", "its pods are replaced one by one"))
    return happened


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"

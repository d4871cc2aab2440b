"""Datastores as clusters use them: made when a cluster needs one of ours, a user, role and prefix for each cluster."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lightkube import ApiError, codecs

from installer.controller.datastores import whereabouts
from installer.controller.datastores.copy import Copy
from installer.controller.datastores.one_pass import DatastoreNotReadyError, Look, Serving
from installer.controller.datastores.reconciler import DatastoreReconciler
from installer.controller.manager_api import Api
from installer.controller.status import Condition
from installer.core.errors import KubernetesError
from installer.kubernetes import client, datastore
from installer.kubernetes.client import ClusterResource, DatastoreResource
from installer.kubernetes.cluster_status import UPDATING
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

_CONFLICT = 409
READY: Final = "DatastoreReady"  # a condition of a cluster


class Datastores:
    """All datastores. Their daemons tell what they found; clusters ask for it."""

    def __init__(self, api: Api, settings: PlatformSettings, folder: Path) -> None:
        self._api = api
        self._settings = settings
        self._folder = folder
        self._lock = threading.Lock()
        self._reconcilers: dict[str, DatastoreReconciler] = {}
        self._looks: dict[str, Look] = {}

    # --- for their daemons ------------------------------------------------------------------------------------------

    def reconciler(self, name: str) -> DatastoreReconciler:
        """The one that looks after a datastore."""
        with self._lock:
            if name not in self._reconcilers:
                made = DatastoreReconciler(name, self._api, self._settings, self._folder / name)
                self._reconcilers[name] = made
            return self._reconcilers[name]

    def note(self, name: str, look: Look) -> None:
        """Tell clusters what was found."""
        self._looks[name] = look

    def forget(self, name: str) -> None:
        """The datastore is gone, or going."""
        self._looks.pop(name, None)
        self._reconcilers.pop(name, None)

    def users(self, name: str) -> tuple[str, ...]:
        """The clusters whose data is in a datastore, or will be."""
        found = [resource.to_dict() for resource in self._api.list(ClusterResource)]
        return tuple(sorted(cluster["metadata"]["name"] for cluster in found if _uses(cluster, name)))

    # --- for clusters -----------------------------------------------------------------------------------------------

    def serving(self, name: str) -> Serving:
        """A datastore that serves; raises DatastoreNotReadyError while it does not."""
        look = self._looks.get(name)
        if look is None:
            raise DatastoreNotReadyError(f"datastore {name} is being looked at")
        if look.serving is None:
            raise DatastoreNotReadyError(f"datastore {name}: {look.found.available.message}")
        return look.serving

    def condition(self, name: str) -> Condition:
        """How a cluster's datastore is, for the cluster's own status."""
        if (look := self._looks.get(name)) is None:
            return Condition(READY, False, "Unknown", f"datastore {name} does not serve yet")
        for found in (look.found.available, look.found.space):  # a member that is away is not the cluster's concern
            if not found.ok:
                return Condition(READY, False, f"Datastore{found.reason}", f"datastore {name}: {found.message}")
        if outside := ", ".join(look.found.outside):
            return Condition(READY, False, UPDATING, f"datastore {name}: {outside} follow to its region, one by one")
        return Condition(READY, True, "Ready", f"datastore {name}")

    def admit(self, cluster: str, name: str) -> None:
        """Give a cluster its user, role and prefix."""
        self.serving(name).etcdctl.run_all(datastore.tenants_role(datastore.Tenant(cluster)))

    def lock(self, cluster: str, name: str) -> None:
        """Let a cluster neither read nor write what is its own, until it is admitted again; nobody else may anyway."""
        self.serving(name).etcdctl.run_all(datastore.locking(datastore.Tenant(cluster)))

    def copy(self, cluster: str, *, source: str, destination: str) -> Copy:
        """Begin to copy a cluster's keys."""
        ends = self.serving(source).etcdctl, self.serving(destination).etcdctl
        return Copy(*ends, datastore.Tenant(cluster).prefix)

    def release(self, cluster: str, name: str) -> bool:
        """Take a cluster's user, role and every key of it away, or the datastore that it has to itself.

        Returns whether nothing is left; raises KubernetesError to be called again.
        """
        found = self._api.get(DatastoreResource, name)
        if found is None:
            return True
        if name == datastore.own(cluster):
            if _owner(found) == cluster:
                self._api.delete(DatastoreResource, name)
                return False
        elif found.metadata.deletionTimestamp is None:  # else what is in it goes with it
            self._take_out(name, cluster, (found.to_dict().get("status") or {}).get("founded", False))
        return True

    def _take_out(self, name: str, cluster: str, founded: bool) -> None:
        look = self._looks.get(name)
        if look is not None and look.serving is not None:
            look.serving.etcdctl.run_all(datastore.removal(datastore.Tenant(cluster)))
        elif founded:  # else nobody was ever let in
            raise DatastoreNotReadyError(
                f"datastore {name} does not serve: the keys of cluster {cluster} are still in it"
            )

    def provide(self, cluster: Cluster) -> None:
        """Make the datastore that a cluster asks for when it is one of ours and missing; its own goes where it goes.

        Raises DatastoreNotReadyError where it cannot be used.
        """
        wanted, home = cluster.spec.datastore, cluster.spec.control_plane.region
        name = datastore.name_for(cluster.name, wanted, home or "")
        if name in self._looks:
            there = self._looks[name].serving
            if wanted == datastore.DEDICATED and there and there.region != (home or ""):
                self._api.patch(DatastoreResource, name, None, {"spec": {"region": home}})
            return
        found = self._api.get(DatastoreResource, name)
        if found is not None:
            if found.metadata.deletionTimestamp is not None:
                raise DatastoreNotReadyError(f"datastore {name} is being deleted")
            if wanted == datastore.DEDICATED and _owner(found) != cluster.name:
                hint = f"`kubectl delete datastore {name}` in the manager, or give the cluster another name"
                raise DatastoreNotReadyError(f"there is a datastore {name} which is not this cluster's own", hint=hint)
            return
        if wanted not in {datastore.SHARED, datastore.DEDICATED}:
            raise DatastoreNotReadyError(
                f"there is no datastore {name}",
                hint="create it in the manager, or leave spec.datastore out: `kubectl get datastores` lists them",
            )
        own = wanted == datastore.DEDICATED
        made = datastore.resource(
            name,
            replicas=cluster.spec.control_plane.replicas if own else datastore.THREE,
            settings=self._settings,
            owner=cluster.name if own else "",
            region=home or "",
        )
        self._create(made)

    def _create(self, made: Mapping[str, Any]) -> None:
        try:
            with client.translated(f"make datastore {made['metadata']['name']}"):
                self._api.client.create(codecs.from_dict(dict(made)))
        except KubernetesError as exc:  # another cluster needed it in the same moment
            if not (isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == _CONFLICT):
                raise


def _uses(cluster: Mapping[str, Any], name: str) -> bool:
    """Whether a datastore holds a cluster's data, or will, or what its move has left and is to be cleared away."""
    meta = cluster["metadata"]
    own = datastore.own(meta["name"])
    where = whereabouts.recorded(cluster.get("status") or {})
    wanted = datastore.meant_by(meta["name"], cluster.get("spec") or {})
    holds = {wanted, *((where.at,) if where else ())}
    if name == own:  # what is left in it goes with it, and it goes with the cluster
        return own in holds and not meta.get("deletionTimestamp")
    return name in holds or (where is not None and name == where.also)


def _owner(found: Any) -> str:
    return datastore.owner_of(found.metadata.labels)

"""Where a cluster's data is: recorded in its status, and moved to another datastore while the cluster runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from installer.controller.datastores import datastores, whereabouts
from installer.controller.datastores.copy import Copying, Progress
from installer.controller.datastores.one_pass import DatastoreNotReadyError
from installer.controller.datastores.whereabouts import Step, Whereabouts
from installer.controller.manager_api import Api
from installer.controller.status import Condition, Happened
from installer.core.errors import KubernetesError
from installer.kubernetes import datastore
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.cluster_status import UPDATING
from installer.spec.cluster import Cluster

# For what is missing once the cluster is locked out; moorage-datastore gives up before that.
_FINISH_S: Final = 45.0
_FAILED: Final = "MoveFailed"
log = logging.getLogger("moorage.controller")


class Halting(Protocol):
    """A control plane that can be made to stand still."""

    def halt(self) -> None:
        """End its pods. They are started again by the next pass, wherever the data is then."""


class Home:
    """Of one cluster."""

    def __init__(self, name: str, api: Api, stores: datastores.Datastores) -> None:
        self._name = name
        self._api = api
        self._datastores = stores
        self._where: Whereabouts | None = None
        self._copy: Copying | None = None
        self._announced = False

    def where(self, cluster: Cluster) -> Whereabouts:
        """Where the data is, recorded before there is any. What the API says counts, not what was seen of it before."""
        found = self._where or self._recorded()
        if found is None:
            found = self._record(Whereabouts(wanted(cluster)))
        self._where = found
        return found

    def everywhere(self, spec: Mapping[str, Any]) -> tuple[str, ...]:
        """The datastores that may hold data of a cluster which is deleted. A copy that is under way is ended."""
        self._stop()
        found = self._recorded() or Whereabouts(datastore.meant_by(self._name, spec))
        return (found.at, found.also) if found.also else (found.at,)

    def tend(self, cluster: Cluster, plane: Halting, *, serves: bool) -> tuple[Condition, list[Happened]]:
        """Take the next step to the datastore that the cluster asks for; how its datastore is, and what was done.

        `serves`: its control plane does, as it should. What fails is told and tried again.
        """
        where, to = self.where(cluster), wanted(cluster)
        try:
            copying = self._copy.progress() if self._copy else None
            step = whereabouts.decide(where, to, serves=serves, copying=copying, announced=self._announced)
            if step != Step.SWITCH or self._copy is None:
                return self._prepare(cluster, step, where, copying)
            return self._switch(plane, self._copy, where, to)
        except DatastoreNotReadyError as exc:  # one that was just made, more often than not
            self._stop()
            return _moving(f"it waits for its move from datastore {where.at} to {to}: {exc.explain()}"), []
        except KubernetesError as exc:
            self._stop()
            log.warning("cluster %s: move to datastore %s: %s", self._name, to, exc.explain())
            message = f"it stays in datastore {where.at} until it can move to {to}: {exc.explain()}"
            return Condition(datastores.READY, False, _FAILED, message), []

    def _prepare(
        self, cluster: Cluster, step: Step, where: Whereabouts, copying: Progress | None
    ) -> tuple[Condition, list[Happened]]:
        """Every step but the one for which the API stands still."""
        to = wanted(cluster)
        done: list[Happened] = []
        match step:
            case Step.STAY:
                return self._datastores.condition(where.at), []
            case Step.AWAIT:
                return _moving(f"its control plane starts on datastore {where.at}"), []
            case Step.CLEAR:
                self._stop()
                if self._datastores.release(self._name, where.also):
                    self._record(Whereabouts(where.at))
                    done = [Happened("DatastoreLeft", f"nothing of it is in datastore {where.also} any more")]
                return _moving(f"what is left of it in datastore {where.also} is removed"), done
            case Step.RECORD:
                self._record(Whereabouts(where.at, also=to))
                message = f"from {where.at} to {to}: its data is copied, and it serves meanwhile"
                done = [Happened("DatastoreMoving", message)]
            case Step.COPY:
                self._datastores.provide(cluster)
                self._copy = self._datastores.copy(self._name, source=where.at, destination=to)
            case Step.ANNOUNCE:
                self._announced = True
                done = [Happened("DatastoreSwitching", "its API stands still for some seconds")]
        text = (copying or Progress()).text
        return _moving(f"it moves from datastore {where.at} to {to}: {text}"), done

    def _switch(self, plane: Halting, copy: Copying, where: Whereabouts, to: str) -> tuple[Condition, list[Happened]]:
        """The one step for which the API stands still.

        Killed before the record: the next pass lets it in again where it was. Killed after it: where it is now.
        """
        plane.halt()
        self._datastores.lock(self._name, where.at)  # from here on nothing of it changes, whoever still runs
        moved = copy.finish(timeout_s=_FINISH_S)
        self._record(Whereabouts(to, also=where.at))
        self._stop()
        message = f"from {where.at} to {to}: {moved.keys} keys, none lost; its API is about to answer again"
        return _moving(f"its control plane starts on datastore {to}"), [Happened("DatastoreMoved", message)]

    def _recorded(self) -> Whereabouts | None:
        found = self._api.get(ClusterResource, self._name)
        return whereabouts.recorded((found.to_dict().get("status") or {}) if found else {})

    def _record(self, where: Whereabouts) -> Whereabouts:
        self._where = None  # should it be unknown afterwards whether it was written, it is read again
        self._api.patch_status(ClusterResource, self._name, {"datastore": where.entry()})
        self._where = where
        return where

    def _stop(self) -> None:
        if self._copy is not None:
            self._copy.stop()
        self._copy, self._announced = None, False


def is_moving(condition: Condition) -> bool:
    """Whether something is under way, or to be tried again."""
    return condition.reason in {UPDATING, _FAILED}


def wanted(cluster: Cluster) -> str:
    """The datastore that a cluster asks for."""
    return datastore.name_for(cluster.name, cluster.spec.datastore, cluster.spec.control_plane.region or "")


def _moving(message: str) -> Condition:
    return Condition(datastores.READY, False, UPDATING, message)

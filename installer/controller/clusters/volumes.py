"""A cluster's volumes: makes them for claims, removes what was released, and everything when the cluster goes."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from lightkube import ApiError, codecs
from lightkube.resources.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from lightkube.resources.storage_v1 import StorageClass
from lightkube.types import PatchType

from installer.controller import events, lost_hosts
from installer.controller.clusters import provisioning
from installer.controller.clusters.provisioning import (
    Action,
    Answer,
    Drop,
    Make,
    Provide,
    Refused,
    Remove,
    Seen,
    Tidy,
    Unselected,
    Wanted,
)
from installer.controller.manager_api import FIELD_MANAGER, Api, is_ready, meta_of
from installer.controller.status import Happened, NodeFound
from installer.core import clock
from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import client, hosted, storage
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

_AT_ONCE: Final = 8  # pods of one cluster that make or remove
_RESYNC_S: Final = 60.0  # a look is due then, even when nothing was told
_TELL_AGAIN_S: Final = 300.0
_GONE_TIMEOUT_S: Final = 90
log = logging.getLogger("moorage.controller")


@dataclass(frozen=True)
class _Yards:
    """Where the pods are that make and remove: in the manager for its own hosts, in the cluster for dedicated ones."""

    manager: Api
    inside: Api
    whole: Collection[str]  # dedicated hosts

    @property
    def all(self) -> tuple[Api, ...]:
        return (self.manager, self.inside) if self.whole else (self.manager,)

    def of(self, host: str) -> Api:
        return self.inside if host in self.whole else self.manager


class Volumes:
    """Of one cluster. What it remembers only saves looks and words."""

    def __init__(
        self, name: str, api: Api, settings: PlatformSettings, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._api = api  # the manager's
        self._settings = settings
        self._now = now
        self._changed = threading.Event()
        self._changed.set()
        self._looked = 0.0
        self._counts: Mapping[str, int] | None = None  # of volumes by host; None: not looked yet
        self._known: Collection[str] | None = None  # hosts that are there; None: not looked yet
        self._told: dict[tuple[str, str], float] = {}  # a uid and a message: when

    def changed(self) -> None:
        """A claim or a volume is another: the next pass looks. May be called from any thread."""
        self._changed.set()

    def record(self, before: Mapping[str, int], nodes: Iterable[NodeFound]) -> dict[str, int]:
        """Hosts that may have a directory of the cluster, since a node is or was there, and the volumes on each."""
        counts = before if self._counts is None else self._counts
        now = {node.host for node in nodes if node.host}
        kept = {host for host in before if self._known is None or host in self._known}
        return {host: counts.get(host, 0) for host in sorted({*kept, *counts, *now})}

    def tend(self, cluster: Cluster, inside: Api, nodes: Sequence[NodeFound], recorded: Collection[str]) -> bool:
        """A look, where one is due, and the next step for each volume; returns whether nothing is under way.

        `recorded`: the hosts that the cluster's status names. Nothing is made elsewhere, lest it be forgotten.
        """
        if not self._changed.is_set() and self._now() - self._looked < _RESYNC_S:
            return True
        self._changed.clear()
        settled = False
        try:
            settled = self._tend(cluster, inside, nodes, recorded)
        finally:
            if not settled:
                self._changed.set()
        self._looked = self._now()
        return settled

    def _tend(self, cluster: Cluster, inside: Api, nodes: Sequence[NodeFound], recorded: Collection[str]) -> bool:
        wanted, settled = self._claims(cluster, inside, {node.name: node.host for node in nodes})
        whole = {node.name: node.ready for node in nodes if node.is_host}
        # What there is to do on such a host is done by pods of the cluster itself: the manager has none there.
        yards = _Yards(self._api, inside, whole)
        hosts = {meta_of(host).name: is_ready(host) for host in self._api.list(Node)} | whole
        self._known = frozenset(hosts)
        where = {name: one.host for name, one in wanted.items() if one.host in recorded}
        found = self._seen(inside, where, yards)
        # Whoever administers the cluster may write any host into a volume.
        self._counts = Counter(seen.volume.host for seen in found if seen.volume and seen.volume.host in hosts)
        running = sum(seen.working(hosts) for seen in found)
        for seen in found:
            action = provisioning.decide(seen, hosts)
            if isinstance(action, Make | Remove) and running >= _AT_ONCE:
                continue
            running += isinstance(action, Make | Remove)
            settled &= action is None
            self._step(yards, seen, action, wanted.get(seen.name))
            if action is None:
                self._tell_trouble(inside, seen, hosts, wanted.get(seen.name))
        return settled and not running and len(where) == len(wanted)

    def clear(self, hosts: Collection[str]) -> list[Happened]:
        """Remove all that the cluster has on these hosts, once its node pods are gone; tells where that cannot be.

        Raises WaitTimeoutError to be called again.
        """
        self._delete_pods(but=storage.CLEARS)  # they might make again what goes
        ready = self._ready(hosts)
        for host in sorted(ready):
            _start(self._api, storage.clearer(self._name, host, self._settings))
        done: set[str] = set()

        def unfinished() -> str | None:
            pods = [pod for pod in self._pods(self._api) if meta_of(pod).name.startswith(storage.CLEARS)]
            found = [provisioning.worker(pod.to_dict()) for pod in pods]
            done.update(one.host for one in found if one.done)
            still = self._ready(hosts) & ready - done
            why = "; ".join(f"{one.host}: {one.trouble}" for one in found if one.host in still and one.trouble)
            return f"not removed yet on {', '.join(sorted(still))}{f' ({why})' if why else ''}" if still else None

        _await(unfinished, f"the volumes of cluster {self._name} are removed")
        self._delete_pods()
        what = f"{storage.directory(self._name)} stays there"
        left = sorted(set(hosts) - done)
        return [Happened("VolumesLeft", f"host {host} is not reached: {what}", warning=True) for host in left]

    # --- looks ------------------------------------------------------------------------------------------------------

    def _claims(
        self, cluster: Cluster, inside: Api, nodes: Mapping[str, str]
    ) -> tuple[dict[str, storage.Volume], bool]:
        """The volumes that claims wait for, by name. Other claims of ours are told why they get none.

        Also returns whether all is said and done about those.
        """
        claims = [claim.to_dict() for claim in inside.list(PersistentVolumeClaim, "*")]
        claims = [claim for claim in claims if provisioning.waits(claim)]
        classes = {meta_of(found).name: found.to_dict() for found in inside.list(StorageClass)} if claims else {}
        wanted, settled = {}, True
        for claim in claims:
            answer: Answer = provisioning.answer(claim, classes, nodes, enabled=cluster.spec.addons.storage)
            match answer:
                case Wanted(volume):
                    wanted[volume.name] = volume
                case Refused(why):
                    self._tell(inside, "PersistentVolumeClaim", claim["metadata"], "ProvisioningFailed", why)
                case Unselected():
                    self._unselect(inside, claim)
                    settled = False
        return wanted, settled

    def _seen(self, inside: Api, wanted: Mapping[str, str], yards: _Yards) -> list[Seen]:
        volumes = dict(filter(None, (provisioning.kept(one.to_dict()) for one in inside.list(PersistentVolume))))
        pods = {meta_of(pod).name: pod.to_dict() for api in yards.all for pod in self._pods(api)}
        workers = {name: provisioning.worker(pod) for name, pod in pods.items()}
        labels = (pod["metadata"]["labels"].get(storage.VOLUME_LABEL) for pod in pods.values())
        return [
            Seen(
                name=name,
                wanted_on=wanted.get(name, ""),
                volume=volumes.get(name),
                maker=workers.get(storage.maker_name(name)),
                remover=workers.get(storage.remover_name(name)),
            )
            for name in sorted({*volumes, *wanted, *filter(None, labels)})
        ]

    def _pods(self, api: Api) -> list[Pod]:
        return api.list(Pod, storage.NAMESPACE, {hosted.CLUSTER_LABEL: self._name})

    def _ready(self, hosts: Collection[str]) -> set[str]:
        """Those of `hosts` that are there."""
        return {meta_of(host).name for host in self._api.list(Node) if is_ready(host)} & set(hosts)

    # --- acts -------------------------------------------------------------------------------------------------------

    def _step(self, yards: _Yards, seen: Seen, action: Action | None, wanted: storage.Volume | None) -> None:
        match action:
            case Make(host):
                _start(yards.of(host), storage.maker(self._name, seen.name, host, self._settings))
            case Remove(host):
                _start(yards.of(host), storage.remover(self._name, seen.name, host, self._settings))
            case Provide() if wanted:
                self._provide(yards.inside, wanted)
            case Drop():
                self._drop(yards.inside, seen.name)
            case Tidy():
                for api in yards.all:
                    for name in (storage.maker_name(seen.name), storage.remover_name(seen.name)):
                        api.delete(Pod, name, storage.NAMESPACE, grace_s=1)
        if action is not None:
            log.info("cluster %s: volume %s: %s", self._name, seen.name, action)

    def _provide(self, inside: Api, wanted: storage.Volume) -> None:
        try:
            _create(inside, storage.volume(self._name, wanted))
        except KubernetesError as exc:
            if isinstance(exc, RetryableError):
                raise
            self._tell(inside, "PersistentVolumeClaim", wanted.claim, "ProvisioningFailed", str(exc))

    def _drop(self, inside: Api, name: str) -> None:
        """Delete a volume and let it go."""
        inside.delete(PersistentVolume, name)
        if found := inside.get(PersistentVolume, name):
            left = [finalizer for finalizer in meta_of(found).finalizers or () if finalizer != storage.FINALIZER]
            _change(inside, PersistentVolume, found.to_dict()["metadata"], {"finalizers": left})

    def _unselect(self, inside: Api, claim: Mapping[str, Any]) -> None:
        """Have the scheduler choose another node. https://github.com/kubernetes-sigs/sig-storage-lib-external-provisioner"""
        _change(inside, PersistentVolumeClaim, claim["metadata"], {"annotations": {provisioning.SELECTED_NODE: None}})

    def _tell_trouble(self, inside: Api, seen: Seen, hosts: Mapping[str, bool], wanted: storage.Volume | None) -> None:
        if wanted and (maker := seen.maker) and (why := maker.held_up(hosts)):
            message = f"its directory on host {maker.host} is not made yet: {why}"
            self._tell(inside, "PersistentVolumeClaim", wanted.claim, "ProvisioningFailed", message)
        if seen.volume and (remover := seen.remover) and (why := remover.held_up(hosts)):
            message = f"its directory on host {remover.host} is not removed yet: {why}"
            self._tell(inside, "PersistentVolume", seen.volume.reference, "VolumeFailedDelete", message)

    def _tell(self, inside: Api, kind: str, reference: Mapping[str, Any], reason: str, why: str) -> None:
        """Tell what holds up a claim or a volume, once in a while."""
        self._told = {key: when for key, when in self._told.items() if self._now() - when < _TELL_AGAIN_S}
        if (reference["uid"], why) in self._told:
            return
        self._told[reference["uid"], why] = self._now()
        try:
            events.tell(inside, kind, reference, Happened(reason, why, warning=True), api_version="v1")
        except KubernetesError as exc:  # a namespace that is being deleted takes no events
            log.warning("cluster %s: %s %s: %s: %s", self._name, kind, reference["name"], why, exc.explain())

    def _delete_pods(self, *, but: str = "") -> None:
        """Delete the cluster's pods that work on hosts, but for those named so; returns once they are gone."""

        def left() -> str | None:
            names = [meta_of(pod).name for pod in self._pods(self._api)]
            names = [name for name in names if not (but and name.startswith(but))]
            for name in names:
                self._api.delete(Pod, name, storage.NAMESPACE, grace_s=1)
            lost_hosts.release_pods(self._api, storage.NAMESPACE)
            return f"still ending: {', '.join(names)}" if names else None

        _await(left, f"the pods that worked for cluster {self._name} are gone")


def _start(api: Api, pod: Mapping[str, Any]) -> None:
    api.apply([storage.namespace_document()])
    _create(api, pod)


def _create(api: Api, document: Mapping[str, Any]) -> None:
    """Make an object, unless it is there already."""
    try:
        with client.translated(f"make {document['kind']} {document['metadata']['name']}"):
            api.client.create(codecs.from_dict(dict(document)))
    except KubernetesError as exc:
        if not _is_conflict(exc):
            raise


def _change(inside: Api, kind: type[Any], meta: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Patch an object's metadata, unless somebody changed it since it was read: the next look sees what is so then."""
    patch = {"metadata": {**changed, "resourceVersion": meta["resourceVersion"]}}
    try:
        client.found_or_none(
            lambda: inside.client.patch(
                kind,
                meta["name"],
                patch,
                namespace=meta.get("namespace"),
                patch_type=PatchType.MERGE,
                field_manager=FIELD_MANAGER,
            )
        )
    except KubernetesError as exc:
        if not _is_conflict(exc):
            raise


def _is_conflict(exc: KubernetesError) -> bool:
    return isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == HTTPStatus.CONFLICT


def _await(check: Callable[[], str | None], what: str) -> None:
    clock.wait_until(check, what=what, timeout_s=_GONE_TIMEOUT_S, clock=clock.SystemClock(), every_s=0.3)

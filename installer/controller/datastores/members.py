"""A datastore's members as the manager has them: where each is laid out, its pod, since when it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import Node, Pod, Service
from lightkube.resources.core_v1 import Secret as SecretResource

from installer.controller.datastores import etcdctl, membership
from installer.controller.manager_api import Api, is_ready, meta_of
from installer.core import clock
from installer.core.errors import KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import datastore, draining, etcd, host, lost, pki
from installer.kubernetes.datastore import NAMESPACE, Placement
from installer.kubernetes.settings import PlatformSettings

_GONE_TIMEOUT_S: Final = 60
log = logging.getLogger("moorage.controller")


class Layout:
    """Where members are laid out, and the acts that change it."""

    def __init__(
        self,
        name: str,
        api: Api,
        settings: PlatformSettings,
        *,
        addresses: Mapping[str, str],
        authority: pki.CertificateAuthority | None = None,
        quota_bytes: int = 0,
        region: str | None = None,
    ) -> None:
        """`addresses`: of the members that there are, or are to be first; `region`: that they are to be in.

        `authority` and `quota_bytes` are for laying out; one who only removes needs neither.
        """
        self.addresses = dict(addresses)
        self.leaving = 0  # managers that a member may have to go from
        self.peers: Mapping[str, str] | None = None  # members that etcd knows; None: it cannot be asked
        self.hosts: dict[str, bool] = {}  # of managers in the region that do not leave, and whether each is ready
        self.patience_s: dict[str, float] = {}  # for which the member on such a host may be away; none: as usual
        self.load: dict[str, int] = {}  # members of all datastores on each
        self._name = name
        self._api = api
        self._settings = settings
        self._authority = authority
        self._quota_bytes = quota_bytes
        self._region = region
        self._sets: dict[str, Any] = {}
        self._recorded: dict[str, Placement] = {}
        self._regions: dict[str, str] = {}  # of all hosts

    def read(self, status: Mapping[str, Any]) -> None:
        """Look at hosts and at what is laid out; `status` tells what was, should somebody have deleted it."""
        nodes = self._api.list(Node)
        sets: list[Any] = self._api.list(StatefulSet, NAMESPACE)
        self._read_hosts(nodes)
        for found in sets:
            where = _placement(found).host
            self.load[where] = self.load.get(where, 0) + 1
        self._sets = {
            found.metadata.name: found
            for found in sets
            if (found.metadata.labels or {}).get(datastore.LABEL) == self._name
        }
        recorded = {entry["name"]: Placement(entry["host"], entry["joined"]) for entry in status.get("members") or ()}
        self._recorded = {name: placement for name, placement in recorded.items() if placement.host}
        managers = [meta_of(node).name for node in nodes if _is_manager(node)]
        carrying = {_placement(found).host for found in self._sets.values()}
        self.leaving = sum(
            name not in self.hosts and (name in carrying or not self._is_outside(name)) for name in managers
        )

    @property
    def outside(self) -> tuple[str, ...]:
        """Members that are laid out in another region than they are to be in."""
        return tuple(sorted(name for name, found in self._sets.items() if self._is_outside(_placement(found).host)))

    def _read_hosts(self, nodes: Sequence[Node]) -> None:
        seen = lost.of_nodes(nodes)
        self._regions = {one.name: one.region for one in seen}
        staying = [node for node in nodes if _is_manager(node) and not draining.leaves(meta_of(node).annotations)]
        ready = {str(meta_of(node).name): is_ready(node) for node in staying}
        self.hosts = {name: well for name, well in ready.items() if not self._is_outside(name)}
        self.patience_s = lost.waiting(seen, self._settings.graces, now=time.time())

    def _is_outside(self, name: str) -> bool:
        """Whether a host that is there is in another region."""
        return self._region is not None and self._regions.get(name, self._region) != self._region

    def authority_or_raise(self) -> pki.CertificateAuthority:
        """The authority; a layout that only removes has none."""
        if self._authority is None:
            raise KubernetesError(f"datastore {self._name} has no authority")
        return self._authority

    def pods(self) -> Sequence[Any]:
        """The pods of its members."""
        return self._api.list(Pod, NAMESPACE, {datastore.LABEL: self._name})

    def revision(self, name: str) -> str:
        """What the controller-revision-hash of an up-to-date pod says; empty when it is not known."""
        found: Any = self._sets.get(name)
        status = found.status if found else None
        if status is None or status.observedGeneration != found.metadata.generation:
            return ""
        return str(status.updateRevision or "")

    def found(self) -> str:
        """Lay all members out that are not; returns why that cannot be, or nothing."""
        placed = {name: _placement(found) for name, found in self._sets.items()}
        for name in self.addresses:
            if name not in placed:
                taken = {placement.host for placement in placed.values()}
                free = sorted(each for each, ready in self.hosts.items() if ready and each not in taken)
                where = membership.place(free, self.load)
                if not where:
                    there = f" in region {self._region}" if self._region else ""
                    return f"{len(self.addresses)} members need a ready manager host each{there}; {name} has none"
                placed[name] = Placement(where)
        for name, placement in placed.items():
            self.lay_out(name, placement)
        return ""

    def keep(self, name: str, *, known: bool, started: bool | None) -> Placement | None:
        """Have a member laid out as it is; what was deleted comes back if etcd may still know it (`known`).

        `started`: None when nobody can tell. Returns where it is; None: nowhere.
        """
        found = self._sets.get(name)
        placement = _placement(found) if found else self._recorded.get(name) if known else None
        if placement is None:
            return None
        if found is None:
            log.warning("datastore %s: member %s is laid out again as it was", self._name, name)
            self._api.forget()
        self.lay_out(name, placement, started=started)
        return placement

    def last_host(self, name: str) -> str:
        """Where a member was when there was one; empty when that is not known."""
        recorded = self._recorded.get(name)
        return recorded.host if recorded else ""

    def lay_out(self, name: str, placement: Placement, *, started: bool | None = None) -> None:
        """Apply a member's Secret and StatefulSet."""
        seen = self._api.secret(name, NAMESPACE)
        if started is None:
            started = bool(seen) and _placement_of(self._sets.get(name)) == placement and datastore.has_started(seen)
        self._api.apply(
            datastore.member_documents(
                self._name,
                name,
                placement=placement,
                address=self.addresses[name],
                initial_cluster=self._initial_cluster(name, seen),
                quota_bytes=self._quota_bytes,
                started=started,
                settings=self._settings,
                authority=self.authority_or_raise(),
                seen=seen,
            )
        )

    def address(self, name: str) -> None:
        """Give a new member its address."""
        if name in self.addresses:
            return
        self._api.apply([datastore.service(self._name, name)])
        service: Any = self._api.get(Service, name, NAMESPACE)
        if service is None or not service.spec.clusterIP:
            raise KubernetesError(f"the Service of datastore member {name} has no address yet")
        self.addresses[name] = service.spec.clusterIP

    def _initial_cluster(self, name: str, seen: Mapping[str, Secret]) -> str:
        if self.peers is None:
            return datastore.told_cluster(seen) or etcd.initial_cluster(self.addresses)
        return etcd.initial_cluster({**self.peers, name: self.addresses[name]})

    def take_away(self, name: str) -> None:
        """Delete a member's StatefulSet and pod; its data stays until a successor starts on that host."""
        found = self._sets.pop(name, None)
        self._recorded.pop(name, None)
        self._api.delete(StatefulSet, name, NAMESPACE)
        # A host that is gone cannot say that its pod has ended.
        ready = self.hosts.get(_placement(found).host) if found else False
        self._api.delete(Pod, _pod_name(name), NAMESPACE, grace_s=1 if ready else 0)

    def restart(self, name: str) -> None:
        """Have a member's pod made anew."""
        self._api.delete(Pod, _pod_name(name), NAMESPACE)

    def clear(self, name: str) -> None:
        """Take away what is left of a member: its pod, its data where its host is there, its address, its Secret."""
        where = placement.host if (placement := _placement_of(self._sets.get(name))) else self.last_host(name)
        self.take_away(name)
        self._await_gone(datastore.MEMBER_LABEL, name, f"member {name} is still ending")
        if self.hosts.get(where):
            self._remove_data({name: where})
        self._forget(name)

    def remove_all(self) -> None:
        """Take everything away: pods, data on hosts that are there, addresses, Secrets."""
        placed = {**self._recorded, **{name: _placement(found) for name, found in self._sets.items()}}
        for name in {**placed, **self.addresses}:
            self.take_away(name)
        self._await_gone(datastore.LABEL, self._name, "its members are still ending")
        ready = {name: placement.host for name, placement in placed.items() if self.hosts.get(placement.host)}
        for name in placed.keys() - ready.keys():
            where = f"{datastore.member_directory(name)} on host {placed[name].host}"
            log.warning("datastore %s: %s is not reached, its data stays there", self._name, where)
        self._remove_data(ready)
        for name in self.addresses:
            self._forget(name)
        self._api.delete(SecretResource, datastore.authority_secret(self._name), NAMESPACE)

    def _remove_data(self, hosts: Mapping[str, str]) -> None:
        self._api.forget()  # pods of these names may have been made, and deleted, before
        self._api.apply(datastore.removal_pod(self._name, name, where, self._settings) for name, where in hosts.items())

        def unfinished() -> str | None:
            pods: list[Any] = self._api.list(Pod, NAMESPACE, {datastore.REMOVAL_LABEL: self._name})
            running = [pod.metadata.name for pod in pods if not (pod.status and pod.status.phase == "Succeeded")]
            return f"not ended yet: {', '.join(sorted(running))}" if running else None

        _await(unfinished, f"the data of datastore {self._name} is removed")
        for name in hosts:
            self._api.delete(Pod, f"{name}-removal", NAMESPACE, grace_s=0)
        self._await_gone(datastore.REMOVAL_LABEL, self._name, "what removed its data is still ending")

    def _forget(self, name: str) -> None:
        self._api.delete(Service, name, NAMESPACE)
        self._api.delete(SecretResource, name, NAMESPACE)

    def _await_gone(self, label: str, value: str, reason: str) -> None:
        _await(
            lambda: reason if self._api.list(Pod, NAMESPACE, {label: value}) else None,
            f"the pods of datastore {self._name} are gone",
        )


class Pods:
    """The pods of members, by the names of those."""

    def __init__(self, pods: Sequence[Any]) -> None:
        self._pods = {(pod.metadata.labels or {}).get(datastore.MEMBER_LABEL, ""): pod for pod in pods}

    def uid(self, name: str) -> str:
        """What tells a pod from its successor; empty when there is none."""
        pod = self._pods.get(name)
        return str(pod.metadata.uid) if pod else ""

    def restarts(self, name: str) -> int:
        """How often its etcd was started again."""
        return sum(container.restartCount for container in self._containers(name))

    def ready(self, name: str) -> bool:
        """Whether its etcd listens."""
        return any(container.ready for container in self._containers(name))

    def up_s(self, name: str, now: float) -> float:
        """For how long its etcd runs, by its host's clock and this one (seconds of the epoch); 0: it does not."""
        running = [one.state.running for one in self._containers(name) if one.state and one.state.running]
        return min((now - one.startedAt.timestamp() for one in running if one.startedAt), default=0.0)

    def outdated(self, name: str, revision: str) -> bool:
        """Whether it was made before its StatefulSet last changed, and nobody has deleted it yet."""
        pod = self._pods.get(name)
        if pod is None or not revision or pod.metadata.deletionTimestamp is not None:
            return False
        return bool((pod.metadata.labels or {}).get("controller-revision-hash") != revision)

    def why(self, name: str) -> str:
        """What holds a member up, in the words of the scheduler, the kubelet or its own last line."""
        pod = self._pods.get(name)
        if pod is None:
            return "it has no pod"
        for condition in (pod.status.conditions or []) if pod.status else []:
            if condition.type == "PodScheduled" and condition.status == "False":
                return str(condition.message)
        for container in self._containers(name):
            ended = [state.terminated for state in (container.state, container.lastState) if state and state.terminated]
            if ended and ended[0].message:
                return etcdctl.plain(ended[0].message.strip().splitlines()[-1])
            if container.state and container.state.waiting:
                return str(container.state.waiting.message or container.state.waiting.reason)
        return ""

    def _containers(self, name: str) -> Sequence[Any]:
        pod = self._pods.get(name)
        return (pod.status.containerStatuses or ()) if pod and pod.status else ()


@dataclass(frozen=True)
class Away:
    """For how long a member has not answered, and how often it has ended by itself meanwhile."""

    seconds: float
    crashes: int


class MemberWatch:
    """Since when members do not answer. A new controller starts to count anew, which errs on the patient side."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[str, float] = {}
        self._restarts: dict[str, tuple[str, int]] = {}  # pod and its restarts when the member last answered

    def forget(self, name: str) -> None:
        """Another takes the member's place: what is known of the last one does not count."""
        self._since.pop(name, None)
        self._restarts.pop(name, None)

    def look(self, name: str, *, answers: bool, pod: str, restarts: int) -> Away:
        """Take note of a member; `pod`: its uid, `restarts` of it since it was made."""
        if answers or name not in self._restarts:
            self._restarts[name] = (pod, restarts)
        if answers:
            self._since.pop(name, None)
            return Away(0.0, 0)
        known, before = self._restarts[name]
        since = self._since.setdefault(name, self._now())
        return Away(self._now() - since, restarts - before if pod == known else restarts)


def _is_manager(node: Any) -> bool:
    return bool((meta_of(node).labels or {}).get(host.ROLE_LABEL) == "manager")


def _placement(found: Any) -> Placement:
    pod = found.spec.template.spec
    annotations = found.metadata.annotations or {}
    return Placement(pod.nodeSelector["kubernetes.io/hostname"], annotations.get(datastore.JOINED, ""))


def _placement_of(found: Any | None) -> Placement | None:
    return _placement(found) if found else None


def _pod_name(member: str) -> str:
    return f"{member}-0"  # the first and only one of its StatefulSet


def _await(check: Callable[[], str | None], what: str) -> None:
    clock.wait_until(check, what=what, timeout_s=_GONE_TIMEOUT_S, clock=clock.SystemClock(), every_s=0.3)

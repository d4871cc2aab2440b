"""A cluster's Services of type LoadBalancer: gives them addresses, and keeps a twin of each in the manager."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.types import PatchType

from installer.controller import events
from installer.controller.address_pools import AddressPools
from installer.controller.clusters import balancing
from installer.controller.clusters.balancing import Waits
from installer.controller.manager_api import FIELD_MANAGER, Api, is_ready, meta_of
from installer.controller.status import Condition, Happened
from installer.core.errors import KubernetesError
from installer.kubernetes import client, hosted, twins
from installer.spec.cluster import Cluster

_READY: Final = "LoadBalancersReady"
_RESYNC_S: Final = 60.0  # a look is due then, even when nothing was told
_TELL_AGAIN_S: Final = 300.0
log = logging.getLogger("moorage.controller")


@dataclass(frozen=True)
class _Twin:
    """What the manager has of a Service."""

    address: IPv4Address | None
    selects: bool

    def serves(self, service: Mapping[str, Any] | None, decided: IPv4Address | Waits | None) -> bool:
        """Whether it may stay, or go on: one that is given up, or led elsewhere, is made anew.

        Kubernetes leaves the endpoints of a Service as they were when its selector is taken away.
        """
        if service is None or not isinstance(decided, IPv4Address):
            return False
        return self.address in (None, decided) and self.selects != balancing.is_local(service)


class LoadBalancers:
    """Of one cluster. What it remembers only saves looks and words."""

    def __init__(self, name: str, api: Api, pools: AddressPools, *, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._namespace = hosted.namespace(name)
        self._labels = hosted.labels(name, twins.PART)
        self._api = api  # the manager's
        self._pools = pools
        self._now = now
        self._changed = threading.Event()
        self._changed.set()
        self._looked = 0.0
        self._asked: object = None  # the addresses of the cluster, and its hosts, when it last looked
        self._condition: Condition | None = None
        self._told: dict[tuple[str, str], float] = {}  # a uid and a message: when
        self._follows_pods = False

    def changed(self) -> None:
        """A Service is another: the next pass looks. May be called from any thread."""
        self._changed.set()

    def follows_pods(self) -> bool:
        """Whether it matters on which nodes a Service has pods."""
        return self._follows_pods

    def tend(self, cluster: Cluster, inside: Api, hosts: Sequence[str] = ()) -> Condition | None:
        """A look, where one is due; how it is, None where the cluster has no addresses.

        `hosts`: the addresses of nodes that are whole hosts and ready. Raises KubernetesError, and looks again in the
        next pass.
        """
        asked = (cluster.spec.network.load_balancer.ranges, hosts)
        if not self._changed.is_set() and self._asked == asked and self._now() - self._looked < _RESYNC_S:
            return self._condition
        self._changed.clear()
        try:
            self._condition = self._tend(cluster, inside, hosts)
        except KubernetesError:
            self._changed.set()
            raise
        self._asked, self._looked = asked, self._now()
        return self._condition

    def release(self) -> None:
        """Forget the addresses of a cluster that is gone with all of its Services."""
        self._pools.release(self._name)

    def _tend(self, cluster: Cluster, inside: Api, hosts: Sequence[str]) -> Condition | None:
        services = [one.to_dict() for one in inside.list(Service, "*")]
        wanted = {one["metadata"]["uid"]: one for one in services if balancing.is_ours(one)}
        seen = self._twins()
        ranges = cluster.spec.network.load_balancer.ranges
        refused = self._pools.keep(self._name, ranges)
        held = {uid: twin.address for uid, twin in seen.items() if twin.address is not None}
        decided = balancing.give(list(wanted.values()), held, () if refused else ranges)
        # First what goes: an address is not given to another Service while somebody still answers for the first.
        for uid, twin in seen.items():
            if not twin.serves(wanted.get(uid), decided.get(uid)):
                self._withdraw(uid, inside, wanted.get(uid))
        for uid, answer in decided.items():
            if isinstance(answer, Waits):
                why = f"the operator's addresses for this cluster cannot be used: {refused}" if refused else answer.why
                self._clear(inside, wanted[uid])
                self._tell(inside, wanted[uid], why)
            else:
                self._provide(inside, wanted[uid], answer, hosts)
        local = {uid for uid, answer in decided.items() if uid in wanted and balancing.is_local(wanted[uid])}
        if seen or decided:
            led_to_hosts = decided.keys() - local if hosts else ()
            self._drop_slices({*map(twins.twin_name, local), *map(twins.hosts_name, led_to_hosts)})
        self._follows_pods = bool(local)
        if refused:
            return Condition(_READY, False, "AddressesTaken", f"spec.network.loadBalancer.addresses: {refused}")
        if not ranges:
            return None
        given = sum(isinstance(answer, IPv4Address) for answer in decided.values())
        return Condition(_READY, True, "Ready", f"{given} of {sum(map(len, ranges))} addresses are in use")

    def _twins(self) -> dict[str, _Twin]:
        """Twins by the uid of their Services."""
        prefix = twins.twin_name("")
        found = [one.to_dict() for one in self._api.list(Service, self._namespace, self._labels)]
        return {
            one["metadata"]["name"].removeprefix(prefix): _Twin(
                _address(one), selects=bool(one["spec"].get("selector"))
            )
            for one in found
        }

    def _provide(self, inside: Api, service: Mapping[str, Any], address: IPv4Address, hosts: Sequence[str]) -> None:
        uid, local = service["metadata"]["uid"], balancing.is_local(service)
        self._api.apply([twins.twin(self._name, service, selects=not local)])
        if local:
            self._api.apply([twins.endpoints(self._name, service, self._nodes_with(inside, service))])
        elif hosts:
            self._api.apply([twins.of_hosts(self._name, service, hosts)])
        twin = self._api.get(Service, twins.twin_name(uid), self._namespace)
        if twin is not None and _address(twin.to_dict()) != address:
            _write(self._api, twins.twin_name(uid), self._namespace, address)
        if _address(service) != address:
            log.info("cluster %s: Service %s has address %s", self._name, _place(service), address)
            _write(inside, service["metadata"]["name"], service["metadata"]["namespace"], address)

    def _nodes_with(self, inside: Api, service: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """Nodes with a ready pod of the Service: the address and the host of each."""
        meta = service["metadata"]
        slices = inside.list(EndpointSlice, meta["namespace"], {"kubernetes.io/service-name": meta["name"]})
        names = {
            endpoint.nodeName
            for one in slices
            for endpoint in one.endpoints or ()
            if endpoint.conditions is None or endpoint.conditions.ready is not False
        }
        return {name: place for name, place in self._nodes().items() if name in names}

    def _nodes(self) -> dict[str, tuple[str, str]]:
        pods = self._api.list(Pod, self._namespace, hosted.labels(self._name, hosted.NODE))
        return {
            meta_of(pod).name: (pod.status.podIP, pod.spec.nodeName)
            for pod in pods
            if is_ready(pod) and pod.status and pod.status.podIP and pod.spec and pod.spec.nodeName
        }

    def _withdraw(self, uid: str, inside: Api, service: Mapping[str, Any] | None) -> None:
        """Nobody is told of the address any more, and then nobody answers for it."""
        if service is not None:
            self._clear(inside, service)
        self._api.delete(Service, twins.twin_name(uid), self._namespace)

    def _drop_slices(self, wanted: Collection[str]) -> None:
        """Slices of ours but for these: their Service is gone, or leads elsewhere now.

        Kubernetes' own have the labels of their Service, too: without one, nobody is led anywhere.
        """
        ours = {**self._labels, twins.MANAGED_BY: FIELD_MANAGER}
        for found in self._api.list(EndpointSlice, self._namespace, ours):
            if (name := meta_of(found).name) not in wanted:
                self._api.delete(EndpointSlice, name, self._namespace)

    def _clear(self, inside: Api, service: Mapping[str, Any]) -> None:
        if _address(service) is not None:
            _write(inside, service["metadata"]["name"], service["metadata"]["namespace"], None)

    def _tell(self, inside: Api, service: Mapping[str, Any], why: str) -> None:
        """Tell why a Service waits, once in a while."""
        meta = service["metadata"]
        self._told = {key: when for key, when in self._told.items() if self._now() - when < _TELL_AGAIN_S}
        if (meta["uid"], why) in self._told:
            return
        self._told[meta["uid"], why] = self._now()
        try:
            events.tell(inside, "Service", meta, Happened("NoAddress", why, warning=True), api_version="v1")
        except KubernetesError as exc:  # a namespace that is being deleted takes no events
            log.warning("cluster %s: Service %s: %s: %s", self._name, _place(service), why, exc.explain())


def _address(service: Mapping[str, Any]) -> IPv4Address | None:
    """The address that a Service is said to have."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    try:
        return IPv4Address(ingress[0]["ip"]) if ingress else None
    except (KeyError, ValueError):  # somebody else's word
        return None


def _write(api: Api, name: str, namespace: str, address: IPv4Address | None) -> None:
    """Say which address a Service has; nothing happens when the Service is gone."""
    ingress = [{"ip": str(address), "ipMode": "VIP"}] if address else None
    client.found_or_none(
        lambda: api.client.patch(
            Service.Status,
            name,
            {"status": {"loadBalancer": {"ingress": ingress}}},
            namespace=namespace,
            patch_type=PatchType.MERGE,
            field_manager=FIELD_MANAGER,
        )
    )


def _place(service: Mapping[str, Any]) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"

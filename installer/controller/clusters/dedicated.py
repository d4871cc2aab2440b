"""Nodes of a cluster that are whole hosts. The installer makes them; here they get their marks, are emptied and go.

A host is emptied where a pool no longer names it, and then its node is deleted; or because its node says so
(`draining.SINCE`), and then it stays: the installer wrote that, to change the host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lightkube.resources.core_v1 import Node, Pod
from lightkube.resources.discovery_v1 import EndpointSlice

from installer.controller.clusters.drains import Drains
from installer.controller.clusters.inside import HostSeen, Inside
from installer.controller.manager_api import Api
from installer.controller.status import Condition, Happened, NodeFound
from installer.kubernetes import draining, egress, hosted, node_pod, storage
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.cluster_status import HOSTS_READY, UPDATING
from installer.kubernetes.marks import Marks
from installer.spec.cluster import Cluster
from installer.spec.pools import DedicatedPool

_NOT_JOINED: Final = "NotJoined"


@dataclass(frozen=True)
class _Named:
    """A host that a pool names, and its node, if that is there."""

    name: str
    pool: DedicatedPool
    node: HostSeen | None
    others: Sequence[str]  # clusters that name it, too


class Dedicated:
    """Of one cluster. What it remembers, the next pass finds out again."""

    def __init__(self, name: str, api: Api, *, now: Callable[[], float] = time.time) -> None:
        self._name = name
        self._api = api  # the manager's
        self._now = now
        self._drains = Drains(now)
        self._seen: Sequence[HostSeen] = ()
        self._wanted = False
        self._claimed: Mapping[str, Sequence[str]] = {}  # by host: the other clusters that name it
        self._led = True  # API servers may be led to hosts; at first nobody knows

    @property
    def matters(self) -> bool:
        """Whether there are any, or are to be."""
        return self._wanted or bool(self._seen)

    @property
    def empties(self) -> bool:
        """Whether one is being emptied."""
        return any(host.since for host in self._seen)

    def tend(self, cluster: Cluster, inside: Inside) -> list[Happened]:
        """Look at them through the cluster's API, after `inside.tend`, and go on with what is to be emptied."""
        self._seen, self._wanted = inside.hosts, bool(cluster.spec.dedicated_pools)
        self._claimed = self._of_others() if self._wanted else {}
        pools = _pools(cluster)
        happened: list[Happened] = []
        for host in self._seen:
            pool = pools.get(host.name)
            if pool is not None:
                inside.mark(host.name, Marks(_labels(pool, host.name), pool.taints))
                if host.leaves:
                    inside.change(host.name, draining.end(), "keep node")
                    self._drains.forget(host.name)
                    happened.append(Happened("DrainCancelled", f"host {host.name} stays"))
                    continue
            if pool is None and not host.leaves:
                moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
                inside.change(host.name, _leaving(host.since or moment), "begin to drain node")
                happened.append(Happened("NodeDraining", f"host {host.name}: no pool names it any more"))
            elif host.since:
                happened += self._empty(host, pool, inside)
        self._lead_there(cluster)
        return happened

    def found(self, cluster: Cluster) -> tuple[NodeFound, ...]:
        """The nodes for the status, as they were last seen."""
        pools = _pools(cluster)
        return tuple(
            NodeFound(one.name, pools[one.name].name if one.name in pools else "", one.name, one.ready, bool(one.since))
            for one in sorted(self._seen, key=lambda one: one.name)
        )

    def serving(self) -> tuple[str, ...]:
        """The addresses of those that connections may be led to."""
        return tuple(sorted(one.address for one in self._seen if one.ready and one.address))

    def addresses(self) -> Mapping[str, str]:
        """Of those that are there, by name."""
        return {one.name: one.address for one in self._seen}

    def condition(self, cluster: Cluster) -> Condition | None:
        """Whether all hosts that pools name are ready nodes, and no others; None where there are none."""
        by_name = {one.name: one for one in self._seen}
        named = [
            _Named(name, pool, by_name.pop(name, None), self._claimed.get(name, ()))
            for name, pool in _pools(cluster).items()
        ]
        if not named and not by_name:
            return None
        lacking = [
            "; ".join([told, *self._drains.held(one.name)])
            for one in named
            if (told := _lacking(one, cluster.spec.version))
        ]
        lacking += [
            f"{name} is to leave{''.join(f'; {why}' for why in self._drains.held(name))}" for name in sorted(by_name)
        ]
        if not lacking:
            return Condition(HOSTS_READY, True, "Ready", f"{len(named)} of {len(named)} hosts are ready")
        joins = any(one.node is None for one in named)
        return Condition(HOSTS_READY, False, _NOT_JOINED if joins else UPDATING, "; ".join(lacking))

    def _of_others(self) -> Mapping[str, Sequence[str]]:
        """Which other clusters name which hosts. Resources may say anything, whatever a specification may."""
        found: dict[str, list[str]] = {}
        for resource in self._api.list(ClusterResource):
            told = resource.to_dict()
            if told["metadata"]["name"] != self._name:
                for pool in told["spec"].get("pools") or ():
                    for host in pool.get("hosts") or ():
                        found.setdefault(host, []).append(told["metadata"]["name"])
        return found

    def _empty(self, host: HostSeen, pool: DedicatedPool | None, inside: Inside) -> list[Happened]:
        """One step: evict, or, when the node is empty or its time is over and it is forced, let node or pods go."""
        step = self._drains.step(host.name, inside, pool, since=host.since, alive=host.ready)
        if not step.over:
            return []
        happened = [self._drains.timed_out(host.name, step)] if step.timed_out else []
        self._drains.forget(host.name)
        if pool is None:
            inside.api.delete(Node, host.name)
            return [*happened, Happened("NodeRemoved", f"host {host.name}: no pool names it any more")]
        for one in step.left:
            inside.api.delete(Pod, one.name, one.namespace)
        return happened

    def _lead_there(self, cluster: Cluster) -> None:
        """API servers reach the cluster through any of its nodes, those that are hosts included."""
        serving = self.serving()
        if serving or cluster.spec.dedicated_pools:
            labels = {hosted.CLUSTER_LABEL: self._name}
            self._api.apply([egress.slice_of_hosts(hosted.namespace(self._name), labels, serving)])
            self._led = True
        elif self._led:
            self._api.delete(EndpointSlice, egress.HOSTS, hosted.namespace(self._name))
            self._led = False


def hosts(cluster: Cluster) -> frozenset[str]:
    """All hosts that its pools name."""
    return frozenset(_pools(cluster))


def _pools(cluster: Cluster) -> Mapping[str, DedicatedPool]:
    return {name: pool for pool in cluster.spec.dedicated_pools for name in pool.hosts}


def _labels(pool: DedicatedPool, host: str) -> dict[str, str]:
    return {**pool.labels, node_pod.POOL_LABEL: pool.name, storage.HOST_LABEL: host}


def _leaving(since: str) -> dict[str, Any]:
    patch = draining.begin(since)
    patch["metadata"]["annotations"] |= draining.leave(since)["metadata"]["annotations"]
    return patch


def _lacking(named: _Named, version: str) -> str:
    """What a host lacks to be as it is to be; empty: nothing."""
    node = named.node
    if named.others:
        return f"{named.name} is named by cluster {' and '.join(named.others)}, too: take it out of all but one"
    if node is None:
        return f"{named.name} has not joined: `moorage up` joins it"
    if not node.ready:
        return f"{named.name} is not ready"
    if node.since:
        return f"{named.name} is drained since {node.since}"
    if node.version != version:
        return f"{named.name} runs Kubernetes {node.version}: `moorage up` brings it to {version}"
    return ""

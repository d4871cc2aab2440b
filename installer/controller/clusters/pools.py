"""What to do about the node pods of a cluster, decided from what is wanted and what is seen; nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WantedPool:
    """A pool: how many node pods, and the digest of how each is made."""

    name: str
    count: int
    shape: str


@dataclass(frozen=True, kw_only=True)
class SeenPod:
    """A node pod as it is. `ready`: its node is, as the cluster's own API says."""

    name: str
    pool: str
    shape: str
    created: str  # RFC 3339
    ready: bool = False
    ended: bool = False  # it will not run again
    leaving: bool = False  # deleted, or on its way
    draining_since: str = ""  # RFC 3339; empty: it is not drained
    displaced: bool = False  # its host is to be empty, and nothing ties it to that host


@dataclass(frozen=True)
class Create:
    """Make one more node of a pool."""

    pool: str


@dataclass(frozen=True)
class Delete:
    """Take a node away."""

    pod: str
    reason: str


Action = Create | Delete


def fits(pod: SeenPod, pool: WantedPool) -> bool:
    """Whether a pod of a pool is made as it is to be, where it may be."""
    return pod.shape == pool.shape and not pod.displaced


def missing(wanted: Sequence[WantedPool], seen: Sequence[SeenPod]) -> list[Create]:
    """The nodes to make at once, whatever is known of those that are there."""
    live = Counter(pod.pool for pod in seen if not (pod.leaving or pod.ended))
    return [Create(pool.name) for pool in wanted for _ in range(pool.count - live[pool.name])]


def staying(wanted: Sequence[WantedPool], seen: Sequence[SeenPod]) -> set[str]:
    """The node pods that nothing is going to replace or take away, by their names."""
    pools = {pool.name: pool for pool in wanted}
    return {
        pod.name
        for pod in seen
        if not (pod.leaving or pod.ended or pod.draining_since) and pod.pool in pools and fits(pod, pools[pod.pool])
    }


def decide(wanted: Sequence[WantedPool], seen: Sequence[SeenPod], *, replacing: bool = True) -> list[Action]:
    """The next actions; none when all is as wanted. Nodes that are made differently, or are where they
    may not be, are replaced one by one.

    Only for one who has asked the cluster which nodes are ready. A node that is drained, to be deleted, is chosen
    again in the next pass, as long as it is to go. Not `replacing`: nodes that are made differently may wait.
    """
    pools = {pool.name: pool for pool in wanted}
    by_pool: Mapping[str, list[SeenPod]] = {name: [] for name in pools}
    actions: list[Action] = []
    for pod in seen:
        if pod.pool not in pools:
            if not pod.leaving:
                actions.append(Delete(pod.name, f"there is no pool {pod.pool} any more"))
        elif pod.ended and not pod.leaving:
            actions.append(Delete(pod.name, "it has ended"))
        elif not pod.leaving:
            by_pool[pod.pool].append(pod)
    for pool in wanted:
        if replacing or all(fits(pod, pool) for pod in by_pool[pool.name]):
            actions += _of_pool(pool, by_pool[pool.name])
    return actions


def _of_pool(pool: WantedPool, live: Sequence[SeenPod]) -> Iterator[Action]:
    new = [pod for pod in live if fits(pod, pool)]
    old = [pod for pod in live if not fits(pod, pool)]
    if len(live) < pool.count:
        yield from (Create(pool.name) for _ in range(pool.count - len(live)))
    elif len(live) > pool.count:
        yield from _surplus(pool, new, old)
    elif old:
        unready = [pod for pod in old if not pod.ready]
        if unready:
            yield Delete(unready[0].name, f"{_why(unready[0])}, and was not ready")
        elif all(pod.ready for pod in new):
            yield Create(pool.name)  # its successor first


def _why(pod: SeenPod) -> str:
    return "it is on a host that is to be empty" if pod.displaced else "it is made differently now"


def _surplus(pool: WantedPool, new: Sequence[SeenPod], old: Sequence[SeenPod]) -> Iterator[Action]:
    surplus = len(new) + len(old) - pool.count
    if old:
        # Each successor that is ready lets one predecessor go.
        leaving = sorted(old, key=lambda pod: (not pod.draining_since, pod.ready, pod.created))[:surplus]
        free = sum(pod.ready for pod in new) - (len(new) - surplus)
        for index, pod in enumerate(leaving):
            if pod.draining_since or not pod.ready or index < free or len(new) == 0:
                yield Delete(pod.name, _why(pod))
        return
    newest_first = sorted(new, key=lambda pod: pod.created, reverse=True)
    for pod in sorted(newest_first, key=lambda pod: (not pod.draining_since, pod.ready))[:surplus]:
        yield Delete(pod.name, f"the pool has {pool.count} nodes now")

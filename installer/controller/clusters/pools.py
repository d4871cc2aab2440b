"""What to do about the node pods of a cluster, decided from what is wanted and what is seen; nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WantedPool:
    """A pool: how many node pods, and the digest of how each is made.

    While they are replaced there are `surge` more of them at most, and `unavailable` fewer that are ready.
    """

    name: str
    count: int
    shape: str
    surge: int = 1
    unavailable: int = 0


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
    may not be, are replaced as many at a time as their pool allows.

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
    if old:
        yield from _replacing(pool, new, old)
    elif len(live) < pool.count:
        yield from (Create(pool.name) for _ in range(pool.count - len(live)))
    else:
        yield from _surplus(pool, new)


def _replacing(pool: WantedPool, new: Sequence[SeenPod], old: Sequence[SeenPod]) -> Iterator[Action]:
    surplus = len(new) + len(old) - pool.count
    draining = [pod for pod in old if pod.draining_since]
    yield from (Delete(pod.name, _why(pod)) for pod in draining)
    late = sum(not pod.ready for pod in new)
    # One that is not ready is no loss; but where none is on its way, no more than one at a time: they may come back.
    extra = surplus if surplus > 0 else int(surplus == 0 and not late and not draining)
    spare = sum(pod.ready and not pod.draining_since for pod in (*new, *old)) - (pool.count - pool.unavailable)
    lost = 0
    for pod in sorted(set(old) - set(draining), key=lambda pod: (pod.ready, pod.created)):
        if not pod.ready and lost < extra:
            lost += 1
            yield Delete(pod.name, f"{_why(pod)}, and was not ready")
        elif pod.ready and spare > 0:
            spare -= 1
            yield Delete(pod.name, _why(pod))
    if not lost:  # otherwise its successor takes its place
        successors = min(pool.surge - surplus, pool.count - len(new), pool.surge - late)
        yield from (Create(pool.name) for _ in range(max(-surplus, successors)))


def _why(pod: SeenPod) -> str:
    return "it is on a host that is to be empty" if pod.displaced else "it is made differently now"


def _surplus(pool: WantedPool, live: Sequence[SeenPod]) -> Iterator[Action]:
    newest_first = sorted(live, key=lambda pod: pod.created, reverse=True)
    for pod in sorted(newest_first, key=lambda pod: (not pod.draining_since, pod.ready))[: len(live) - pool.count]:
        yield Delete(pod.name, f"the pool has {pool.count} nodes now")

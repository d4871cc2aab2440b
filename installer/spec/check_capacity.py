"""Cross-checks of numbers: managers that can agree, and pools that fit on the hosts as far as limits are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from installer.spec.cluster import CPU_SHARE
from installer.spec.hosts import carriers, wanted_hosts
from installer.spec.platform import Platform
from installer.spec.pools import SharedPool
from installer.spec.quantity import cpu_millis, memory_bytes
from installer.spec.subject import Finding, Subject

MANAGER_COUNTS: Final = (1, 3, 5)  # an even member adds no tolerance to etcd, more than five only slow it down


def manager_count(subject: Subject) -> Iterator[Finding]:
    """The managers' etcd can lose the minority of its members and go on."""
    if platform := subject.platform:
        managers = sum(host.role == "manager" for host in wanted_hosts(platform))
        if managers not in MANAGER_COUNTS:
            yield Finding(
                platform, ("spec", "regions"), f"{managers} hosts have the role manager; 1, 3 or 5 are allowed"
            )


def largest_node(subject: Subject) -> Iterator[Finding]:
    """Each node fits on some host."""
    if subject.platform is None or not (hosts := _limited(subject.platform)):
        return
    for cluster in subject.clusters:
        for index, pool in enumerate(cluster.spec.pools):
            if not isinstance(pool, SharedPool):
                continue
            wanted = cpu_millis(pool.cpu), memory_bytes(pool.memory)
            if pool.count and not any(cpu >= wanted[0] and memory >= wanted[1] for cpu, memory in hosts):
                yield Finding(cluster, ("spec", "pools", index), "a node of this pool is larger than every host")


def all_nodes(subject: Subject) -> Iterator[Finding]:
    """All nodes together ask for no more memory than the hosts have, and for no more CPU than may be shared."""
    if subject.platform is None or not (hosts := _limited(subject.platform)):
        return
    pools = [pool for cluster in subject.clusters for pool in cluster.spec.shared_pools]
    asked = sum(p.count * cpu_millis(p.cpu) for p in pools), sum(p.count * memory_bytes(p.memory) for p in pools)
    have = sum(cpu for cpu, _ in hosts), sum(memory for _, memory in hosts)
    if asked[0] > have[0] * CPU_SHARE:
        message = (
            f"the clusters' pools ask for {asked[0] / 1000:g} CPU, the hosts that carry them have {have[0] / 1000:g}, "
            f"which may be given away {CPU_SHARE} times"
        )
        yield Finding(subject.platform, ("spec", "regions"), message)
    if asked[1] > have[1]:
        message = (
            f"the clusters' pools ask for {_gib(asked[1])} of memory, the hosts that carry them have {_gib(have[1])}"
        )
        yield Finding(subject.platform, ("spec", "regions"), message)


def _limited(platform: Platform) -> Sequence[tuple[int, int]]:
    """CPU and memory of the hosts that carry node pods; empty when one of them has no limit, which only facts tell."""
    hosts = [host for host in carriers(platform) if host.cpu and host.memory]
    if len(hosts) < len(carriers(platform)):
        return []
    return [(cpu_millis(host.cpu), memory_bytes(host.memory)) for host in hosts if host.cpu and host.memory]


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB".replace(".0 ", " ")

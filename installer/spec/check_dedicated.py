"""Cross-checks of dedicated pools: each host is there for that, for one cluster only, and reaches its node pods."""

from __future__ import annotations

from collections.abc import Iterator

from installer.spec.hosts import wanted_hosts
from installer.spec.pools import DedicatedPool
from installer.spec.source import Loc
from installer.spec.subject import Finding, Subject


def hosts(subject: Subject) -> Iterator[Finding]:
    """Hosts of dedicated pools are hosts of the platform, with that role, and in no other pool."""
    roles = {host.name: host.role for host in wanted_hosts(subject.platform)} if subject.platform else None
    taken: dict[str, str] = {}
    for cluster in subject.clusters:
        for index, pool in enumerate(cluster.spec.pools):
            if not isinstance(pool, DedicatedPool):
                continue
            for number, name in enumerate(pool.hosts):
                at: Loc = ("spec", "pools", index, "hosts", number)
                if name in taken:
                    yield Finding(cluster, at, f"is in {taken[name]} already")
                elif roles is not None and name not in roles:
                    yield Finding(cluster, at, "is no host of the platform")
                elif roles is not None and roles[name] != "dedicated":
                    yield Finding(
                        cluster, at, f"has the role {roles[name]}; only hosts with the role dedicated can be taken"
                    )
                taken.setdefault(name, f"pool {pool.name} of cluster {cluster.name}")


def beside_node_pods(subject: Subject) -> Iterator[Finding]:
    """Dedicated hosts reach node pods by VXLAN to the manager's hosts, which WireGuard takes the place of."""
    if subject.platform and subject.platform.spec.manager.network.between == "wireguard":
        for cluster in subject.clusters:
            if cluster.spec.shared_pools and cluster.spec.dedicated_pools:
                message = "has pools of both kinds, which spec.manager.network.between: wireguard does not join"
                yield Finding(cluster, ("spec", "pools"), message)

"""Balancers of a region: what each passes on to the managers, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from installer.spec.cloud import CloudAccess
from installer.spec.platform import ManagerNetwork
from installer.spec.ports import API, Port, of_clusters


@dataclass(frozen=True, kw_only=True)
class Front:
    """One balancer, with an address in the network or a public one. All ask the managers' APIs who is well."""

    name: str
    public: bool
    ports: tuple[Port, ...]


def fronts(access: CloudAccess, network: ManagerNetwork) -> Sequence[Front]:
    """`api` for the manager's API, and for ports of clusters those that it has a fitting address for; else `clusters`.

    Azure has no two balancers inside before the same machines where one is of many ports:
    https://learn.microsoft.com/azure/load-balancer/load-balancer-ha-ports-overview
    """
    api = Front(name="api", public=access.public, ports=(API,))
    if access.cluster_balancer == "none":
        return (api,)
    public, clusters = access.cluster_balancer == "public", of_clusters(network)
    if public == api.public:
        return (replace(api, ports=(API, clusters)),)
    return (api, Front(name="clusters", public=public, ports=(clusters,)))

"""`kind: Cluster`: a tenant Kubernetes cluster; the same document is the custom resource in the manager."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from installer.spec.addresses import AddressRange, Range, parse_range
from installer.spec.base import API_VERSION, Metadata, Model, Name, always, never, steps
from installer.spec.cluster_settings import ApiServer
from installer.spec.pools import DedicatedPool, Pool, SharedPool
from installer.spec.registries import Registries

# CPU is shared by weight: a node may use all of its CPU while others are idle, and is sure of this part of it.
CPU_SHARE = 20
KUBERNETES_PATTERN = r"^1\.\d+\.\d+$"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
Domain = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253)]
KubernetesVersion = Annotated[str, StringConstraints(pattern=KUBERNETES_PATTERN)]


class ControlPlane(Model):
    """kube-apiserver, kube-controller-manager and kube-scheduler, stateless pods in the manager."""

    replicas: Annotated[int, Field(ge=1, le=5)] = always(1, description="Two let one host fail without a gap.")
    region: Name | None = always(
        None,
        description="Its home: it and its data are there, unless `datastore` names one, and move when it changes;"
        " unset: wherever managers are.",
    )
    api_server: ApiServer = always(default_factory=ApiServer, description="Settings of its API server.")


class ClusterDns(Model):
    """Where names are looked up that are not the cluster's own. Nodes are replaced one by one when it changes."""

    upstreams: Annotated[tuple[IPv4Address, ...], Field(max_length=3)] = always(
        (), description="Name servers, three at most; without any, those of the host that a node is on."
    )
    search_domains: Annotated[tuple[Domain, ...], Field(max_length=6)] = always(
        (), description="Domains that nodes and pods search after the cluster's own, six at most."
    )


class LoadBalancer(Model):
    """Addresses for Services of type LoadBalancer, beside those of hosts in the hosts' own network.

    The host that answers for one may be any; it is another when that one is lost.
    """

    addresses: Annotated[tuple[AddressRange, ...], Field(max_length=10)] = always(
        (), description="`192.0.2.10`, `192.0.2.10-192.0.2.19` or `192.0.2.16/28`, of this cluster alone."
    )

    @model_validator(mode="after")
    def _are_apart(self) -> LoadBalancer:
        ranges = sorted(self.ranges)
        if any(one.overlaps(other) for one, other in pairwise(ranges)):
            raise ValueError("two ranges overlap")
        return self

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The same, read."""
        return tuple(map(parse_range, self.addresses))


class ClusterNetwork(Model):
    """Address ranges inside the cluster; the same in many clusters, since no packet of one enters another."""

    pods: IPv4Network = never(IPv4Network("10.244.0.0/16"), description="Its pods; a /24 for each node.")
    services: IPv4Network = never(IPv4Network("10.96.0.0/16"), description="Its services; the tenth address is DNS.")
    domain: str = never("cluster.local", description="Its DNS domain.")
    dns: ClusterDns = always(default_factory=ClusterDns, description="Names that are not the cluster's own.")
    load_balancer: LoadBalancer = always(
        default_factory=LoadBalancer, description="Addresses of Services of type LoadBalancer."
    )

    @property
    def api_service(self) -> IPv4Address:
        """The address of Service default/kubernetes, the first of the range."""
        return self.services[1]

    @property
    def dns_service(self) -> IPv4Address:
        """The address of cluster DNS, the tenth of the range as kubeadm has it."""
        return self.services[10]


class Addons(Model):
    """What Moorage runs inside the cluster beside its DNS."""

    metrics_server: bool = always(True, description="metrics-server, for `kubectl top` and horizontal pod autoscaling.")
    storage: bool = always(True, description="StorageClass `moorage`, the default: volumes on the disks of hosts.")


class ClusterSpec(Model):
    """What a cluster consists of."""

    version: KubernetesVersion = steps(description="A Kubernetes version that the platform's release offers.")
    control_plane: ControlPlane = always(
        default_factory=ControlPlane, description="Its API server and controllers, in the manager."
    )
    datastore: Name = always(
        "shared",
        description="The Datastore of its data, `shared` that of its home; `dedicated`: one that goes with it.",
    )
    pools: tuple[Pool, ...] = always((), description="Its nodes.")
    network: ClusterNetwork = always(default_factory=ClusterNetwork, description="Address ranges and names inside it.")
    registries: Registries = always((), description="Where its nodes pull images; followed without new nodes.")
    addons: Addons = always(default_factory=Addons, description="What runs inside the cluster from the start.")

    @property
    def shared_pools(self) -> tuple[SharedPool, ...]:
        """Those of node pods."""
        return tuple(pool for pool in self.pools if isinstance(pool, SharedPool))

    @property
    def dedicated_pools(self) -> tuple[DedicatedPool, ...]:
        """Those of whole hosts."""
        return tuple(pool for pool in self.pools if isinstance(pool, DedicatedPool))


class Cluster(Model):
    """One tenant cluster."""

    api_version: Literal["moorage.dev/v1"]
    kind: Literal["Cluster"]
    metadata: Metadata
    spec: ClusterSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    @classmethod
    def of_resource(cls, resource: Mapping[str, Any]) -> Cluster:
        """The cluster that a custom resource of the manager describes; raises pydantic.ValidationError."""
        found = {"name": resource["metadata"]["name"]}
        return cls.model_validate(
            {"apiVersion": API_VERSION, "kind": "Cluster", "metadata": found, "spec": resource.get("spec") or {}}
        )

    def at(self, version: str) -> Cluster:
        """The same with another version of Kubernetes."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"version": version})})

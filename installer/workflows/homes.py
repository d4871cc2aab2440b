"""Dedicated hosts: which cluster each is a node of, and what it takes to make it one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from lightkube import Client
from lightkube.resources.core_v1 import Node, Service
from lightkube.resources.core_v1 import Secret as SecretResource
from pydantic import ValidationError

from installer.core.errors import KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import client, control_plane, crd_guard, documents, hosted, pki, registries
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.dedicated import Home, Stretch, Way
from installer.kubernetes.roots import Roots
from installer.spec.cluster import Cluster
from installer.spec.pools import DedicatedPool

if TYPE_CHECKING:
    from installer.workflows.session import Session

# https://github.com/flannel-io/flannel/blob/master/Documentation/kubernetes.md#annotations
_BACKEND: Final = "flannel.alpha.coreos.com/backend-data"
_ADMIN_DAYS: Final = 1


@dataclass(frozen=True)
class Place:
    """A pool that a host is in, as the specification or the manager says."""

    cluster: Cluster
    pool: DedicatedPool


class Homes:
    """Of one platform; asks the manager each time, since clusters come and change while a command runs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[str, str] = {}  # versions that hosts are to have meanwhile, by host

    @contextmanager
    def held(self, name: str, version: str) -> Iterator[None]:
        """Meanwhile a host is to run this version of Kubernetes, whatever its cluster's control plane runs."""
        self._held[name] = version
        try:
            yield
        finally:
            del self._held[name]

    def places(self) -> Mapping[str, Place]:
        """The pools that hosts are to be in, by host: the specification's word before the manager's.

        Raises KubernetesError where two clusters claim a host, or the manager does not answer.
        """
        wanted = {cluster.name: cluster for cluster in (*self._running().values(), *self._session.spec.clusters)}
        return _places(wanted.values())

    def specified(self) -> Mapping[str, Place]:
        """As `places`, by the specification alone."""
        return _places(self._session.spec.clusters)

    def known(self, name: str) -> Home | None:
        """As `of`; None, too, where the manager cannot be asked."""
        try:
            return self.of(name)
        except KubernetesError:
            return None

    def of(self, name: str) -> Home | None:
        """The home of a host; None: it has none, or that is still being made."""
        place = self.places().get(name)
        if place is None:
            return None
        running = self._running().get(place.cluster.name)
        found = self._found(place.cluster.name) if running else None
        if running is None or found is None:
            return None
        address, servers, roots = found
        stretches = tuple(self._stretches()) if running.spec.shared_pools else ()
        return Home(
            cluster=running.at(self._held.get(name, running.spec.version)),
            pool=place.pool,
            way=Way(address=address, servers=servers, stretches=stretches),
            roots=roots,
            registry_files=dict(self._secret(registries.NAME, hosted.namespace(running.name))),
        )

    def api(self, home: Home) -> Client:
        """A client of the cluster's API, as an administrator; raises ApiUnavailableError."""
        return self._client(home.way.servers, home.roots)

    def api_of(self, cluster: str) -> Client | None:
        """The same by a cluster's name; None where there is none."""
        found = self._found(cluster) if cluster in self._running() else None
        return self._client(found[1], found[2]) if found else None

    def _client(self, servers: Sequence[str], roots: Roots) -> Client:
        authority = roots.authorities["kubernetes"]
        subject = pki.Subject(crd_guard.INSTALLER, (control_plane.ADMIN_GROUP,))
        return client.connect(
            [self._session.port_url(server) for server in servers],
            ca_pem=authority.trusted,
            credential=authority.issue(subject, days=_ADMIN_DAYS),
        )

    def _found(self, cluster: str) -> tuple[str, Sequence[str], Roots] | None:
        """Of a cluster: the address of its API in the manager, where hosts find the same, and its roots."""
        namespace = hosted.namespace(cluster)
        roots, service = self._secret(hosted.ROOTS, namespace), self._service(namespace)
        if not roots or service is None:
            return None
        address, port = service
        servers = [f"{one.cluster_address}:{port}" for one in self._session.nodes.values()]
        days = self._session.platform.spec.certificates.days
        return address, servers, Roots.from_mapping(roots).issuing(days)

    def _running(self) -> Mapping[str, Cluster]:
        """The clusters that the manager has, at the version that their control planes run, by name."""
        if not self._session.serving_managers:
            return {}
        with client.translated("list clusters"):
            listed = [resource.to_dict() for resource in self._session.api.list(ClusterResource)]
        return {cluster.name: cluster for resource in listed for cluster in _parsed(resource)}

    def _secret(self, name: str, namespace: str) -> Mapping[str, Secret]:
        found = client.found_or_none(
            lambda: self._session.api.get(SecretResource, name, namespace=namespace),
            f"read Secret {name} in {namespace}",
        )
        return documents.entries(found.data) if found else {}

    def _service(self, namespace: str) -> tuple[str, int] | None:
        """The address of a cluster's API in the manager, and its port on hosts; None before it has them."""
        found = client.found_or_none(
            lambda: self._session.api.get(Service, hosted.CONTROL_PLANE, namespace=namespace),
            f"read the Service of {namespace}",
        )
        spec = found.spec if found else None
        if spec is None or not spec.clusterIP or not spec.ports or not spec.ports[0].nodePort:
            return None
        return spec.clusterIP, spec.ports[0].nodePort

    def _stretches(self) -> Iterator[Stretch]:
        with client.translated("list nodes"):
            nodes: Sequence[Any] = list(self._session.api.list(Node))
        for node in nodes:
            found = self._session.nodes.get(client.name_of(node))
            data = json.loads((node.metadata.annotations or {}).get(_BACKEND) or "{}")
            if found is not None and node.spec.podCIDR and data.get("VtepMAC"):
                yield Stretch(str(found.cluster_address), IPv4Network(node.spec.podCIDR), data["VtepMAC"])


def _places(clusters: Iterable[Cluster]) -> Mapping[str, Place]:
    found: dict[str, Place] = {}
    for cluster in sorted(clusters, key=lambda one: one.name):
        for pool in cluster.spec.dedicated_pools:
            for name in pool.hosts:
                if name in found:
                    raise KubernetesError(
                        f"clusters {found[name].cluster.name} and {cluster.name} both claim host {name}",
                        hint="take it out of a pool of one of them",
                    )
                found[name] = Place(cluster, pool)
    return found


def _parsed(resource: Mapping[str, Any]) -> Iterator[Cluster]:
    """The cluster of a resource; nothing for one that another version of Moorage wrote, which its owner is told."""
    try:
        cluster = Cluster.of_resource(resource)
    except ValidationError:
        return
    plane = (resource.get("status") or {}).get("controlPlane") or {}
    yield cluster.at(plane.get("version") or cluster.spec.version)

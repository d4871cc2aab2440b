"""What the controller does inside a tenant's cluster, through that cluster's own API."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from lightkube import ApiError, AsyncClient, codecs
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.certificates_v1 import CertificateSigningRequest
from lightkube.resources.core_v1 import ConfigMap, Node, Pod, ServiceAccount
from lightkube.resources.storage_v1 import StorageClass
from lightkube.types import PatchType

from installer.controller.clusters import drain
from installer.controller.kept import Kept
from installer.controller.manager_api import FIELD_MANAGER, Api, is_ready
from installer.core.errors import KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import (
    addons,
    client,
    dedicated,
    documents,
    draining,
    hosted,
    issue,
    marks,
    metrics,
    pki,
    storage,
)
from installer.kubernetes.documents import Document
from installer.kubernetes.marks import Marks
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

_SERVING: Final = "kubernetes.io/kubelet-serving"
_INVALID: Final = HTTPStatus.UNPROCESSABLE_ENTITY
_PUBLISHED: Final = "kube-root-ca.crt"  # ConfigMap in every namespace, mounted into every pod that may ask the API
_OURS: Final = ("kube-dns", metrics.NAME)  # values of the label k8s-app
_ON_NODE: Final = "spec.nodeName"
# Before its own roles are bound, only this group of Kubernetes' may do anything in a cluster.
_SUBJECT: Final = pki.Subject("moorage-controller", ("system:masters",))


@dataclass(frozen=True)
class PodOfNode:
    """A node pod, as far as its cluster's API must know it."""

    name: str
    address: str
    host: str
    marks: Marks | None = None  # None: its labels and taints are left as they are


@dataclass(frozen=True)
class NodeSeen:
    """A node as its cluster's API has it. Marked: with its labels and taints, so that pods may come."""

    ready: bool
    marked: bool = True
    cordoned: bool = False


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """A node that is a whole host, as its cluster's API has it."""

    name: str
    ready: bool
    address: str = ""  # among the hosts
    version: str = ""  # of its kubelet, without a leading v
    since: str = ""  # it is to be empty; RFC 3339
    leaves: bool = False  # for good


class Inside:
    """One tenant's API."""

    def __init__(self, cluster: Cluster, address: str, roots: Roots) -> None:
        authority = roots.authorities["kubernetes"]
        self._server = f"https://{address}:{hosted.API_PORT}"
        credential = authority.issue(_SUBJECT)
        self._renewal = pki.renewal_time(credential.cert_pem)
        self._api = Api(client.connect([self._server], ca_pem=authority.trusted, credential=credential))
        self._cluster = cluster
        self._address = address
        self._dropped: set[str] = set()  # nodes whose pods may still stand in the API
        self._authority = authority
        self._hosts: list[Node] = []
        self._basics: Kept[list[Document]] = Kept()
        self._measuring: Kept[list[Document]] = Kept()

    @property
    def api(self) -> Api:
        """For those who look after one kind of thing in the cluster."""
        return self._api

    def serves(self, roots: Roots) -> bool:
        """Whether it may be used still: by the same authorities, with a certificate that is not due."""
        return self._authority == roots.authorities["kubernetes"] and datetime.now(UTC) < self._renewal

    def watcher(self) -> AsyncClient:
        """The same API for an event loop."""
        authority = self._authority
        return client.watcher(self._server, ca_pem=authority.trusted, credential=authority.issue(_SUBJECT))

    def furnish(self, settings: PlatformSettings, cluster: Cluster, *, rotating: bool = False) -> None:
        """Access rules, the endpoint of the API, cluster DNS, metrics, the default StorageClass.

        `rotating`: the authorities change, and pods that start anew for it must find the new ones; till then all stays.
        """
        if rotating and not self._published():
            return
        self._api.apply(self._basics.get((settings, cluster), lambda: self._rendered(settings, cluster)))
        if metrics.wanted(cluster):
            self._api.apply(self._metrics(settings))
        elif self._api.get(ServiceAccount, metrics.NAME, metrics.NAMESPACE) is not None:
            self._remove_metrics(settings)
        self._furnish_storage(cluster)

    def _rendered(self, settings: PlatformSettings, cluster: Cluster) -> list[Document]:
        network = cluster.spec.network
        return [
            *addons.tenant(
                image=settings.images["pause"],
                address=network.dns_service,
                domain=network.domain,
                nodes=sum(pool.count for pool in cluster.spec.pools),
                authorities=documents.digest(self._authority.trusted),
            ),
            *endpoint(self._address),
        ]

    def behind(self) -> list[str]:
        """What of ours in the cluster has not come to its authorities yet, for people."""
        if not self._published():
            return ["its controller manager has not told all namespaces yet"]
        wanted = documents.digest(self._authority.trusted)
        pods = [pod.metadata for pod in self._api.list(Pod, metrics.NAMESPACE) if pod.metadata]
        return [
            f"{meta.name} starts anew"
            for meta in pods
            if (meta.labels or {}).get("k8s-app") in _OURS
            and meta.deletionTimestamp is None
            and (meta.annotations or {}).get(addons.AUTHORITIES) != wanted
        ]

    def _published(self) -> bool:
        """Whether pods that start now are told of these authorities."""
        found = self._api.get(ConfigMap, _PUBLISHED, metrics.NAMESPACE)
        return found is not None and (found.data or {}).get("ca.crt", "").strip() == self._authority.trusted.strip()

    def _metrics(self, settings: PlatformSettings) -> list[Document]:
        seen = self._api.secret(metrics.NAME, metrics.NAMESPACE)
        return self._measuring.get((settings, seen), lambda: self._render_metrics(settings, seen))

    def _render_metrics(self, settings: PlatformSettings, seen: Mapping[str, Secret]) -> list[Document]:
        certificates = {"tls": seen["tls.crt"].reveal()} if {"tls.crt", "tls.key"} <= seen.keys() else {}
        issued = issue.issue({"tls": metrics.SERVING}, {"kubernetes": self._authority}, certificates)
        return metrics.render(
            image=settings.images["pause"],
            release=addons.NODE_RELEASE,
            ca_pem=self._authority.trusted,
            credential=seen if issued.kept else documents.credential_files("", issued.new),
        )

    def _remove_metrics(self, settings: PlatformSettings) -> None:
        """The API first, the service account last: it tells the next pass that something is left."""
        for document in reversed(self._metrics(settings)):
            meta = document["metadata"]
            self._api.delete(type(codecs.from_dict(document)), meta["name"], meta.get("namespace"))

    def _furnish_storage(self, cluster: Cluster) -> None:
        """The class; volumes that were made by it stay when it goes."""
        if cluster.spec.addons.storage:
            try:
                self._api.apply([storage.storage_class()])
            except KubernetesError as exc:
                if not (isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == _INVALID):
                    raise
                # Somebody made another of this name, and most of a class cannot be changed; nothing depends on it.
                self._api.delete(StorageClass, storage.CLASS)
                self._api.apply([storage.storage_class()])
            return
        found = self._api.get(StorageClass, storage.CLASS)
        if found is not None and found.provisioner == storage.PROVISIONER:
            self._api.delete(StorageClass, storage.CLASS)

    def tend(self, pods: Mapping[str, PodOfNode], *, admitting: bool = True) -> dict[str, NodeSeen]:
        """Admit nodes of ours, give them their labels and taints, drop those whose pod is gone; returns the others.

        Not `admitting`: who signs what they ask for is not sure.
        """
        if admitting:
            self._approve(pods)
        found = {}
        nodes = self._nodes()
        self._hosts = [node for node in nodes if is_host(node)]
        for node in nodes:
            name = _name(node)
            if is_host(node):
                continue
            if name not in pods:
                self._api.delete(Node, name)
                self._dropped.add(name)
                continue
            cordoned = bool(node.spec and node.spec.unschedulable)
            found[name] = NodeSeen(ready=is_ready(node), marked=self._mark(node, pods[name].marks), cordoned=cordoned)
        return found

    @property
    def hosts(self) -> list[HostSeen]:
        """The nodes that are whole hosts, as the last `tend` saw them."""
        return [_host_seen(node) for node in self._hosts]

    def mark(self, name: str, wanted: Marks) -> bool:
        """Whether a node that is a host has its labels and taints; what it lacks it is given."""
        return self._mark(next(node for node in self._hosts if _name(node) == name), wanted)

    def change(self, node: str, patch: dict[str, Any], what: str) -> None:
        """Patch a node; `what` is for people."""
        with client.translated(f"{what} {node}"):
            self._api.client.patch(Node, node, patch, patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER)

    def bury(self, running: Collection[str]) -> None:
        """Delete the pods of nodes that were dropped and do not run any more: nobody else can say that they have ended.

        Kubernetes does so after a minute, and as long would a StatefulSet wait with its next pod.
        """
        for node in self._dropped - set(running):
            for pod in self.pods_on(node):
                self._api.delete(Pod, pod.name, pod.namespace, grace_s=0)
            self._dropped.discard(node)

    def cordon(self, node: str, *, closed: bool) -> None:
        """Let no new pod come to a node, or let them come again."""
        self.change(node, {"spec": {"unschedulable": closed or None}}, "cordon node" if closed else "uncordon node")

    def pods_on(self, node: str) -> list[drain.PodOnNode]:
        """The pods that the cluster has on a node."""
        with client.translated(f"list the pods on {node}"):
            return [drain.of_pod(pod) for pod in self._api.client.list(Pod, namespace="*", fields={_ON_NODE: node})]

    def evict(self, pod: drain.PodOnNode) -> str | None:
        """Ask for a pod's eviction: None when it is on its way, else why it must stay for now."""
        wanted = Pod.Eviction(metadata=ObjectMeta(name=pod.name, namespace=pod.namespace))
        try:
            self._api.client.create(wanted, pod.name, namespace=pod.namespace)
        except ApiError as exc:
            if exc.status.code == HTTPStatus.NOT_FOUND:
                return None
            if exc.status.code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR):
                return _refused_by(exc)
            raise KubernetesError(f"evict {pod.path}: {exc.status.message}") from exc
        return None

    def _mark(self, node: Node, wanted: Marks | None) -> bool:
        """Whether a node has its labels and taints; what it lacks it is given, unless others change it just now."""
        changed = marks.patch(wanted, node.metadata, node.spec) if wanted else None
        if changed is None:
            return True
        try:
            self._api.client.patch(Node, _name(node), changed, patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER)
        except ApiError as exc:
            if exc.status.code != HTTPStatus.CONFLICT:
                raise KubernetesError(f"set labels and taints of node {_name(node)}: {exc.status.message}") from exc
        return False

    def _nodes(self) -> list[Node]:
        return self._api.list(Node)

    def _approve(self, pods: Mapping[str, PodOfNode]) -> None:
        """Approve serving certificates that name exactly a node pod of ours and its address."""
        for request in self._api.list(CertificateSigningRequest):
            if request.spec is None or request.spec.signerName != _SERVING or _decided(request):
                continue
            if refusal(request.spec.username or "", request.spec.request, pods) is None:
                self._decide(request)

    def _decide(self, request: CertificateSigningRequest) -> None:
        condition = {
            "type": "Approved",
            "status": "True",
            "reason": "NodePodExists",
            "message": "the node's pod exists and has this address",
        }
        changed = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": request.metadata.name},  # type: ignore[union-attr]
            "status": {"conditions": [condition]},
        }
        with client.translated("approve a serving certificate"):
            self._api.client.patch(
                CertificateSigningRequest.Approval,
                request.metadata.name,  # type: ignore[union-attr,arg-type]
                changed,
                field_manager=FIELD_MANAGER,
            )


def refusal(user: str, request: str, pods: Mapping[str, PodOfNode]) -> str | None:
    """Why a serving certificate must not be signed; None when it names a pod of ours, its address and nothing else."""
    pem = documents.entries({"request": request})["request"].reveal()
    try:
        found = x509.load_pem_x509_csr(pem.encode())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return "it is no request for a serving certificate"
    pod = pods.get(user.removeprefix("system:node:"))
    if pod is None or not user.startswith("system:node:"):
        return f"{user} is no node with a pod"
    common_names = [str(attribute.value) for attribute in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common_names != [user]:
        return "it names another user than the one who asks"
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    hosts = set(names.get_values_for_type(x509.DNSName))
    if not addresses <= {pod.address} or not hosts <= {pod.name}:
        return f"it names {sorted(addresses | hosts)}, the pod is {pod.name} at {pod.address}"
    return None


def endpoint(address: str) -> Sequence[Document]:
    """Where Service default/kubernetes leads, the stable address of the control plane, in both forms that are read."""
    meta = {"name": "kubernetes", "namespace": "default"}
    port = {"name": "https", "port": hosted.API_PORT, "protocol": "TCP"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {**meta, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [port],
        },
    ]


def is_host(node: Node) -> bool:
    """Whether a node is a whole host."""
    return dedicated.LABEL in ((node.metadata.labels if node.metadata else None) or {})


def _host_seen(node: Node) -> HostSeen:
    status = node.status
    annotations = node.metadata.annotations if node.metadata else None
    addresses = (status.addresses or ()) if status else ()
    return HostSeen(
        name=_name(node),
        ready=is_ready(node),
        address=next((one.address for one in addresses if one.type == "InternalIP"), ""),
        version=status.nodeInfo.kubeletVersion.removeprefix("v") if status and status.nodeInfo else "",
        since=draining.since(annotations),
        leaves=draining.leaves(annotations),
    )


def _refused_by(exc: ApiError) -> str:
    """Which PodDisruptionBudget holds a pod, in the API server's words."""
    details = exc.status.details
    causes = [cause.message for cause in (details.causes or ()) if cause.message] if details else []
    return "; ".join(causes) or str(exc.status.message)


def _decided(request: CertificateSigningRequest) -> bool:
    return bool(request.status and request.status.conditions)


def _name(node: Node) -> str:
    if node.metadata is None or node.metadata.name is None:
        raise KubernetesError(f"a node without a name: {json.dumps(node.to_dict())}")
    return node.metadata.name

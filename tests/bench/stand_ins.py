"""Stand-ins for what many clusters would need many machines for: their APIs, their nodes, and who runs their pods."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Secret, Service
from lightkube.types import PatchType

from installer.controller.manager_api import meta_of
from installer.kubernetes import documents, hosted, node_pod
from tests.fakes.kubernetes import merged

HOSTS = tuple(f"host-{number}" for number in range(1, 21))
_LABELS = {hosted.ROLE_LABEL: hosted.CONTROL_PLANE}

_READY = {"type": "Ready", "status": "True"}
Document = dict[str, Any]


@dataclass
class Tenant:
    """The API of one cluster: objects by the paths that they are read at."""

    tls: ssl.SSLContext
    objects: dict[str, Document] = field(default_factory=dict)


@dataclass
class Tenants:
    """An API server for every cluster, each at its Service's address, with TLS by that cluster's authority.

    Objects are kept as they are written, nothing is checked, and a watch tells of nothing: none of them changes.
    """

    find: Callable[[str], Tenant]  # by address
    by_address: dict[str, Tenant] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)  # by method; a watch is WATCH
    looked: Counter[str] = field(default_factory=Counter)  # looks at its nodes, by address
    _version: Any = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        """Serve, in a thread, for as long as the process lives."""
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "0.0.0.0", hosted.API_PORT, backlog=4096)  # noqa: S104
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        try:
            if address not in self.by_address:
                self.by_address[address] = await asyncio.to_thread(self.find, address)
            await writer.start_tls(self.by_address[address].tls)
            while await self._request(reader, writer, address):
                pass
        except (OSError, ApiError, asyncio.IncompleteReadError):  # it has left, or is not made yet
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, target, _ = head[0].split()
        url = urlsplit(target)
        if "watch" in parse_qs(url.query):
            self.asked["WATCH"] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            await reader.read()
            return False
        self.asked[method] += 1
        code, answer = self._answer(self.by_address[address], method, url.path, json.loads(body) if body else {})
        self.looked[address] += (method, url.path) == ("GET", "/api/v1/nodes")
        text = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n".encode())
        writer.write(f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True

    def _answer(self, tenant: Tenant, method: str, path: str, body: Document) -> tuple[int, Document]:
        if path == "/readyz":
            return 200, {}
        found = tenant.objects.get(path)
        match method:
            case "POST":
                path = f"{path}/{body['metadata']['name']}"
                tenant.objects[path] = self._kept(body)
            case "PATCH":
                tenant.objects[path] = self._kept(merged(found or {}, body))
            case "DELETE":
                tenant.objects.pop(path, None)
                return 200, {"kind": "Status", "status": "Success"}
            case "GET" if found is None and path.rsplit("/", 1)[-1] in _PLURALS:
                name = path.rsplit("/", 1)[-1]
                items = [one for where, one in list(tenant.objects.items()) if where.split("/")[-2] == name]
                return 200, {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}
            case "GET" if found is None:
                return 404, {"kind": "Status", "code": 404, "reason": "NotFound", "message": f"{path} not found"}
        return 200, tenant.objects[path]

    def _kept(self, document: Document) -> Document:
        meta = {"uid": "0", "generation": 1, "creationTimestamp": "2026-05-04T03:02:01Z"}
        meta |= document["metadata"] | {"resourceVersion": str(next(self._version))}
        return {**document, "metadata": meta}


_PLURALS = {
    *("nodes", "pods", "services", "persistentvolumeclaims", "persistentvolumes", "storageclasses"),
    *("certificatesigningrequests", "endpointslices"),
}


def tenant_of(manager: Client, address: str) -> Tenant:
    """The one whose Service has this address; its certificate is the one that its API server would have."""
    services = manager.list(Service, namespace="*", labels={hosted.CLUSTER_LABEL: None})
    mine = next(one for one in services if one.spec and one.spec.clusterIP == address)
    found = documents.entries(manager.get(Secret, hosted.CONTROL_PLANE, namespace=meta_of(mine).namespace).data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("apiserver.crt", "apiserver.key"):
            (Path(folder) / name).write_text(found[name].reveal())
        context.load_cert_chain(Path(folder) / "apiserver.crt", Path(folder) / "apiserver.key")
    published = {"ca.crt": found["ca.crt"].reveal()}
    where = {"name": "kube-root-ca.crt", "namespace": "kube-system"}
    path = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"
    return Tenant(context, {path: {"kind": "ConfigMap", "metadata": where, "data": published}})


def run_deployments(manager: Client) -> None:
    """Say of every control plane that it is ready as soon as it is written; never returns."""
    for _, found in _watched(manager, Deployment, _LABELS):
        meta, wanted = meta_of(found), (found.spec.replicas or 0) if found.spec else 0
        if found.status and found.status.observedGeneration == meta.generation:
            continue
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), wanted)
        status = {"status": {"observedGeneration": meta.generation, **counts}}
        manager.patch(Deployment.Status, meta.name, status, namespace=meta.namespace, patch_type=PatchType.MERGE)


def run_node_pods(manager: Client, tenants: Tenants) -> None:
    """Place node pods, let them run, and have their nodes join their clusters; never returns."""
    numbers = itertools.count(1)
    for _, pod in _watched(manager, Pod, {hosted.ROLE_LABEL: node_pod.PART}):
        meta, spec = meta_of(pod), pod.spec
        if spec is None or spec.nodeName:
            continue
        number = next(numbers)
        target = {"apiVersion": "v1", "kind": "Node", "name": HOSTS[number % len(HOSTS)]}
        binding = Pod.Binding.from_dict({"metadata": {"name": meta.name}, "target": target})
        with suppress(msgspec.ValidationError):  # the answer is no binding but a word that it went well
            manager.create(binding, meta.name, namespace=meta.namespace)
        address = f"10.128.{number // 250}.{number % 250 + 1}"
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [_READY]}
        change = {"status": status}
        manager.patch(Pod.Status, meta.name, change, namespace=meta.namespace, patch_type=PatchType.MERGE)
        service = manager.get(Service, hosted.CONTROL_PLANE, namespace=meta.namespace)
        threading.Thread(target=_join, args=(tenants, service.spec.clusterIP, meta.name), daemon=True).start()


def _join(tenants: Tenants, address: str, name: str) -> None:
    while address not in tenants.by_address:
        time.sleep(0.5)
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"taints": [dict(node_pod.STARTING)]},
    }
    kept = tenants._kept({**node, "status": {"conditions": [_READY]}})
    tenants.by_address[address].objects[f"/api/v1/nodes/{name}"] = kept


def _watched(manager: Client, kind: type[Any], labels: dict[str, str]) -> Any:
    """All of a kind, then each that changes; again from the start when the API server ends it."""
    while True:
        with suppress(httpx2.HTTPError):
            yield from manager.watch(kind, namespace="*", labels=labels)

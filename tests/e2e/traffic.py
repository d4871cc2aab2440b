"""A client that goes on asking while something is done to a platform, and what it was not answered."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import yaml

from installer.core import layout
from installer.kubernetes.host import API_PORT
from tests.e2e.platform_under_test import PlatformUnderTest, eventually

_ASKS_EVERY_S, _ANSWER_S = 0.05, 5.0
_WORKLOAD = "served"  # namespace and names


@dataclass(frozen=True)
class Lost:
    """A request that was not answered as it should have been."""

    at: str  # UTC
    after_s: float
    why: str


@dataclass
class Asked:
    """An URL asked twenty times a second, each time through a new connection.

    Of several, which stand for one thing, the next is asked where one cannot be connected to, as clients do.
    """

    name: str
    urls: Sequence[str]
    context: ssl.SSLContext | None = None
    count: int = 0
    lost: list[Lost] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)  # each answer

    def ask(self) -> None:
        """Once."""
        began = time.monotonic()
        first = self.count % len(self.urls)
        self.count += 1
        for url in (*self.urls[first:], *self.urls[:first]):
            why = self._ask(url)
            if not why.startswith(ConnectionRefusedError.__name__):
                break
        if not why:
            self.took_s.append(time.monotonic() - began)
        else:
            now = time.strftime("%H:%M:%S", time.gmtime())
            self.lost.append(Lost(now, time.monotonic() - began, f"{url}: {why}"))

    def _ask(self, address: str) -> str:
        """Why there was no answer as it should be; empty: there was."""
        url = urlsplit(address)
        connection: HTTPConnection
        if self.context is None:
            connection = HTTPConnection(url.hostname or "", url.port, timeout=_ANSWER_S)
        else:
            connection = HTTPSConnection(url.hostname or "", url.port, timeout=_ANSWER_S, context=self.context)
        try:
            connection.request("GET", url.path)
            answer = connection.getresponse()
            text = answer.read()
            return "" if answer.status == HTTPStatus.OK else f"{answer.status} {text[:200]!r}"
        except (OSError, HTTPException) as exc:
            return f"{type(exc).__name__}: {exc}"
        finally:
            connection.close()


class Traffic:
    """While entered, everything is asked; afterwards `lost` says what was not answered, by name."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = asked
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in asked]

    @property
    def lost(self) -> Mapping[str, Sequence[Lost]]:
        return {one.name: list(one.lost) for one in self.asked if one.lost}

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, one: Asked) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            one.ask()
            due = max(due + _ASKS_EVERY_S, time.monotonic())


def api(platform: PlatformUnderTest, cluster: str) -> Asked:
    """A cluster's API through its published endpoint, as its administrator."""
    config = yaml.safe_load(platform.must("cluster", "kubeconfig", cluster).stdout)
    found, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(found["certificate-authority-data"]).decode())
    with TemporaryDirectory() as folder:
        path = Path(folder, "user.pem")
        pair = (user["client-certificate-data"], user["client-key-data"])
        path.write_bytes(b"".join(map(base64.b64decode, pair)))
        context.load_cert_chain(path)
    servers = [found["server"]]
    if cluster == "manager":
        hosts = platform.must("host", "list", "-o", "json").json
        servers = [f"https://{host['address']}:{API_PORT}" for host in hosts if host["role"] == "manager"]
    return Asked(f"API of {cluster}", [f"{server}/api/v1/namespaces/default" for server in servers], context)


def workload(platform: PlatformUnderTest, cluster: str, address: str) -> Asked:
    """HTTP at a balanced address of a cluster: two pods with a budget, of an image that every node has."""
    change = json.dumps({"spec": {"network": {"loadBalancer": {"addresses": [f"{address}/32"]}}}})
    platform.kubectl("manager", "patch", "cluster", cluster, "--type=merge", "-p", change)
    with suppress(AssertionError):
        platform.make_namespace(cluster, _WORKLOAD)
    found = platform.kubectl(cluster, "-n", "kube-system", "get", "deployment", "coredns", "-o", "json").stdout
    image = json.loads(found)["spec"]["template"]["spec"]["containers"][0]["image"]
    for document in _documents(image, address):
        platform.kubectl(cluster, "-n", _WORKLOAD, "apply", "-f", "-", stdin=json.dumps(document).encode())
    asked = Asked(f"workload of {cluster}", [f"http://{address}:8080/health"])

    def answers() -> bool:
        before = len(asked.lost)
        asked.ask()
        return len(asked.lost) == before

    eventually(answers, timeout_s=90, what=f"the workload of {cluster} answers at {address}")
    return Asked(asked.name, asked.urls)


def _documents(image: str, address: str) -> list[dict[str, Any]]:
    labels = {"app": _WORKLOAD}
    # CoreDNS is an HTTP server, too, and one that goes on answering for a while after it was told to end. Every node
    # has it, where cluster DNS has it from.
    corefile = ".:5353 {\n  health :8080 {\n    lameduck 5s\n  }\n}\n"
    container = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "Never",
        "command": [f"{layout.CURRENT}/{layout.BIN}/coredns", "-conf", "/config/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "release", "mountPath": layout.CURRENT, "readOnly": True},
        ],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    pods = {
        "containers": [container],
        "topologySpreadConstraints": [spread],
        "volumes": [
            {"name": "config", "configMap": {"name": _WORKLOAD}},
            {"name": "release", "hostPath": {"path": layout.CURRENT, "type": "Directory"}},
        ],
    }
    template = {"metadata": {"labels": labels}, "spec": pods}
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    service = {
        "type": "LoadBalancer",
        "loadBalancerIP": address,
        "selector": labels,
        "ports": [{"port": 8080, "targetPort": 8080}],
    }
    budget = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _WORKLOAD}, "data": {"Corefile": corefile}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": _WORKLOAD}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": _WORKLOAD}, "spec": service},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": _WORKLOAD}, "spec": budget},
    ]

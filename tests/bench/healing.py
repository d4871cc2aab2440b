"""What is killed, and how long until all is well again without anybody's doing; on local hosts, taken down afterwards.

Meanwhile a client asks the cluster's API ten times a second, each time through a new connection. Beside each figure
stands its goal; nothing is asserted.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from installer.bundle.bundle import Bundle
from tests.bench.local_platform import local_platform
from tests.e2e.platform_under_test import PlatformUnderTest, podman

_NAME, _NAMESPACE = "watched", "cluster-watched"
_STORES, _SPEAKERS = "moorage-datastores", "moorage-load-balancer"
_DATA = "/var/lib/moorage/datastores"
_NODES, _REPLICAS = 2, 2
_TIMEOUT_S, _EVERY_S, _ASKS_EVERY_S, _ANSWER_S = 240.0, 0.2, 0.1, 2.0
_STEADY_S = 3.0  # all is well for so long before the next blow


class Client(threading.Thread):
    """Asks an API for one object, over and over; counts what fails."""

    def __init__(self, address: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self.asked = self.failed = 0
        self.gap_s = 0.0  # the longest time without an answer
        self._address, self._port, self._context = address, port, context
        self._over = threading.Event()

    def run(self) -> None:
        """Until told to end."""
        answered = time.monotonic()
        while not self._over.wait(_ASKS_EVERY_S):
            well = self._ask()
            self.asked += 1
            self.failed += not well
            if well:
                self.gap_s = max(self.gap_s, time.monotonic() - answered)
                answered = time.monotonic()

    def end(self) -> None:
        """Return once it asks no more."""
        self._over.set()
        self.join()

    def _ask(self) -> bool:
        connection = HTTPSConnection(self._address, self._port, timeout=_ANSWER_S, context=self._context)
        try:
            connection.request("GET", "/api/v1/namespaces/default")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class Healing:
    """A platform with one cluster, and blows that fall on it one after the other."""

    def __init__(self, platform: PlatformUnderTest) -> None:
        self._platform = platform
        self._config = platform.must("cluster", "kubeconfig", _NAME).stdout
        hosts = platform.must("host", "list", "-o", "json").json
        self._addresses = {host["name"]: host["address"] for host in hosts}

    def node_pod_deleted(self) -> None:
        """The controller makes another; its processes get no time to say farewell."""
        victim = self._pods("node")[0]["metadata"]["name"]
        with self._watched("node pod killed, another takes its place", goal_s=8):
            self._manager("-n", _NAMESPACE, "delete", "pod", victim, "--grace-period=0", "--force")
            self._until(lambda: self._nodes_ready(without=victim))

    def node_processes_killed(self) -> None:
        """The manager's kubelet starts them again in the same pod."""
        pod = self._pods("node")[0]
        with self._watched("node pod's first process killed, started again", goal_s=8):
            self._kill(pod, "node")
            self._until(lambda: self._restarted(pod) and self._nodes_ready())

    def control_plane_pod_deleted(self) -> None:
        """Another takes its place; the second replica serves on."""
        victim = self._pods("control-plane")[0]["metadata"]["name"]
        with self._watched("control plane pod killed, another takes its place", goal_s=8):
            self._manager("-n", _NAMESPACE, "delete", "pod", victim, "--grace-period=0", "--force")
            self._until(lambda: self._planes_ready(without=victim))

    def api_server_killed(self) -> None:
        """The same pod's kubelet starts it again."""
        pod = self._pods("control-plane")[0]
        with self._watched("API server's process killed, started again", goal_s=8):
            self._kill(pod, "kube-apiserver")
            self._until(lambda: self._restarted(pod) and self._planes_ready())

    def member_killed(self) -> None:
        """A datastore's member, whose data is still there."""
        member = self._members()[0]
        with self._watched("datastore member killed", goal_s=45):
            self._manager("-n", _STORES, "delete", "pod", f"{member['name']}-0", "--grace-period=0", "--force")
            self._until(self._datastore_ready)

    def member_without_data(self) -> None:
        """It is removed from etcd, and a learner takes its place and is promoted."""
        member = self._members()[-1]
        with self._watched("datastore member killed, its data gone", goal_s=45):
            podman("exec", self._container(member["host"]), "rm", "-rf", f"{_DATA}/{member['name']}")
            self._manager("-n", _STORES, "delete", "pod", f"{member['name']}-0", "--grace-period=0", "--force")
            self._until(lambda: self._datastore_ready(without=member["id"]))

    def worker_lost(self) -> None:
        """Its node pods come up on the other worker."""
        with self._lost("worker-1"), self._watched("worker host lost: two nodes again", goal_s=45):
            podman("stop", "--time=0", self._container("worker-1"))
            self._until(lambda: self._nodes_ready(not_on="worker-1") and self._planes_ready(not_on="worker-1"))

    def answering_host_lost(self) -> None:
        """Another host answers for the address of a Service, that of cluster DNS, which says that it is well."""
        address = self._published()
        statuses = json.loads(self._manager("-n", _SPEAKERS, "get", "servicel2statuses", "-o", "json"))["items"]
        host = statuses[0]["status"]["node"]
        what = f"host lost that answers for a Service's address ({host}): answered ten times running"
        with self._lost(host), self._watched(what, goal_s=None):
            podman("stop", "--time=0", self._container(host))
            self._platform.reach_anew()
            self._until(lambda: all(_answers(address) for _ in range(10)))

    def _published(self) -> str:
        """Give the cluster an address, and cluster DNS a Service that has it; returns once it answers."""
        [network] = json.loads(podman("network", "inspect", f"moorage-{self._platform.name}"))
        address = str(IPv4Network(network["subnets"][0]["subnet"])[-5])
        change = json.dumps({"spec": {"network": {"loadBalancer": {"addresses": [address]}}}})
        self._manager("patch", "cluster", _NAME, "--type=merge", "-p", change)
        meta = {"name": "published", "namespace": "kube-system"}
        ports = [{"port": 80, "targetPort": 8080}]
        spec = {"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"}, "ports": ports}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        self._platform.kubectl(_NAME, "apply", "-f", "-", stdin=json.dumps(service).encode())
        self._until(lambda: _answers(address))
        return address

    def manager_lost(self) -> None:
        """The one with the controller; until that works again and the control plane has all its replicas."""
        pods = json.loads(self._manager("-n", "moorage-system", "get", "pods", "-o", "json"))["items"]
        host = pods[0]["spec"]["nodeName"]
        with self._lost(host), self._watched(f"manager host lost ({host}, with the controller)", goal_s=None):
            podman("stop", "--time=0", self._container(host))
            self._platform.reach_anew()
            self._until(lambda: self._controller_well(host) and self._planes_ready(not_on=host))

    def moved(self) -> None:
        """Nothing is killed, but the API stands still: the longest gap is how long."""
        with self._watched("moved to a datastore of its own", goal_s=None):
            change = '-p={"spec":{"datastore":"dedicated"}}'
            self._manager("patch", "cluster", _NAME, "--type=merge", change)
            self._until(lambda: self._data_in(f"cluster-{_NAME}") and self._planes_ready())

    # --- how it is --------------------------------------------------------------------------------------------------

    def well(self) -> bool:
        """Whether the cluster and its datastore have all that they should have."""
        return self._nodes_ready() and self._planes_ready() and self._datastore_ready()

    def _nodes_ready(self, *, without: str = "", not_on: str = "") -> bool:
        alive = {
            pod["metadata"]["name"]
            for pod in self._pods("node")
            if not pod["metadata"].get("deletionTimestamp") and pod["spec"].get("nodeName") != not_on
        } - {without}
        found = json.loads(self._platform.kubectl(_NAME, "get", "nodes", "-o", "json").stdout)["items"]
        ready = {node["metadata"]["name"] for node in found if _is(node, "Ready") and not node["spec"].get("taints")}
        return len(alive & ready) == _NODES

    def _planes_ready(self, *, without: str = "", not_on: str = "") -> bool:
        pods = self._pods("control-plane")
        ready = [
            pod
            for pod in pods
            if _is(pod, "Ready") and pod["metadata"]["name"] != without and pod["spec"].get("nodeName") != not_on
        ]
        return len(ready) == _REPLICAS

    def _restarted(self, before: Any) -> bool:
        part = before["metadata"]["labels"]["moorage.dev/part"]
        now = next(pod for pod in self._pods(part) if pod["metadata"]["name"] == before["metadata"]["name"])
        return _restarts(now) > _restarts(before) and _is(now, "Ready")

    def _datastore_ready(self, *, without: str = "") -> bool:
        store = json.loads(self._manager("get", "datastore", "shared", "-o", "json"))
        pods = json.loads(self._manager("-n", _STORES, "get", "pods", "-o", "json"))["items"]
        members = store["status"]["members"]
        return (
            _is(store, "Ready")
            and all(_is(pod, "Ready") for pod in pods)
            and all(member["healthy"] and member["id"] != without for member in members)
        )

    def _data_in(self, name: str) -> bool:
        status = json.loads(self._manager("get", "cluster", _NAME, "-o", "json"))["status"]
        return bool(status["datastore"] == {"name": name, "also": ""})

    def _controller_well(self, lost: str) -> bool:
        pods = json.loads(self._manager("-n", "moorage-system", "get", "pods", "-o", "json"))["items"]
        return any(_is(pod, "Ready") and pod["spec"].get("nodeName") != lost for pod in pods)

    def _members(self) -> list[Any]:
        found: list[Any] = json.loads(self._manager("get", "datastore", "shared", "-o", "json"))["status"]["members"]
        return found

    def _pods(self, part: str) -> list[Any]:
        words = ("-n", _NAMESPACE, "get", "pods", "-l", f"moorage.dev/part={part}", "-o", "json")
        found: list[Any] = json.loads(self._manager(*words))["items"]
        return found

    # --- how it is done ---------------------------------------------------------------------------------------------

    def _manager(self, *words: str) -> bytes:
        return self._platform.kubectl("manager", *words).stdout

    def _container(self, host: str) -> str:
        return f"moorage-{self._platform.name}-{host}"

    def _kill(self, pod: Any, container: str) -> None:
        """Kill the first process of a container of a pod."""
        found = next(one for one in pod["status"]["containerStatuses"] if one["name"] == container)
        identity = found["containerID"].rpartition("/")[2]
        ctr = f"/opt/moorage/current/bin/ctr -n k8s.io tasks kill --signal SIGKILL {identity}"
        podman("exec", self._container(pod["spec"]["nodeName"]), "sh", "-c", ctr)

    def _until(self, check: Callable[[], bool]) -> None:
        """Return once it holds; while APIs are away it does not."""
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            with suppress(AssertionError, StopIteration):
                if check():
                    return
            time.sleep(_EVERY_S)
        sys.stdout.write("  not so after the time allowed:\n")

    def settle(self) -> None:
        """Return once all has been well for a while."""
        since = None
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline and (since is None or time.monotonic() - since < _STEADY_S):
            well = False
            with suppress(AssertionError):
                well = self.well()
            since = (since or time.monotonic()) if well else None
            time.sleep(_EVERY_S)

    @contextmanager
    def _lost(self, host: str) -> Iterator[None]:
        """A host that is started again afterwards."""
        try:
            yield
        finally:
            self._platform.must("up", "--yes")

    @contextmanager
    def _watched(self, what: str, *, goal_s: float | None) -> Iterator[None]:
        self.settle()
        client = Client(self._addresses["worker-2"], self._port(), _context(self._config))
        client.start()
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        client.end()
        goal = f"{goal_s:.0f} s" if goal_s else "-"
        asked = f"{client.failed} of {client.asked} failed, longest gap {client.gap_s:.1f} s"
        sys.stdout.write(f"| {what} | {seconds:.1f} s | {goal} | {asked} |\n")
        sys.stdout.flush()

    def _port(self) -> int:
        words = ("-n", _NAMESPACE, "get", "service", "control-plane", "-o", "jsonpath={.spec.ports[0].nodePort}")
        return int(self._manager(*words))


def main() -> None:
    """Print a row a blow."""
    with local_platform("t-healing", managers=3, workers=2) as platform:
        platform.must("up", "--yes", timeout_s=900)
        version = Bundle.load("2026.11").info.kubernetes.manager
        size = ("--nodes", str(_NODES), "--replicas", str(_REPLICAS), "--memory", "1Gi", "--version", version)
        platform.must("cluster", "create", _NAME, *size)
        strike(Healing(platform))


def strike(healing: Healing) -> None:
    """Every blow, the lightest first."""
    healing.node_pod_deleted()
    healing.node_processes_killed()
    healing.control_plane_pod_deleted()
    healing.api_server_killed()
    healing.member_killed()
    healing.member_without_data()
    healing.worker_lost()
    healing.answering_host_lost()
    healing.manager_lost()
    healing.moved()


def _is(resource: Any, condition: str) -> bool:
    conditions = resource.get("status", {}).get("conditions", ())
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _restarts(pod: Any) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))


def _context(kubeconfig: str) -> ssl.SSLContext:
    """As the cluster's administrator."""
    found = json.loads(kubeconfig)
    user, cluster = found["users"][0]["user"], found["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=ca)
    context.check_hostname = False  # it is asked by an address that may not be in its certificate
    with tempfile.TemporaryDirectory() as folder:
        for name in ("client-certificate", "client-key"):
            (Path(folder) / name).write_bytes(base64.b64decode(user[f"{name}-data"]))
        context.load_cert_chain(Path(folder) / "client-certificate", Path(folder) / "client-key")
    return context

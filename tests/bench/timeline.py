"""One `cluster create` on a timeline: when what was written, started, ready; on local hosts, taken down afterwards."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lightkube import Client, KubeConfig
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Secret, Service

from installer.kubernetes.client import ClusterResource
from tests.bench.local_platform import local_platform
from tests.bench.platform import bare_pod
from tests.bench.processes import processes
from tests.e2e.platform_under_test import PlatformUnderTest

# What the logs of a node pod and of an API server tell of their way; klog's form of time.
_TOLD = {
    "Attempting to register node": "kubelet tries to register",
    "Successfully registered node": "kubelet has registered",
    "Fast updating node status as it just became ready": "kubelet says that the node is ready",
    "Updating Pod CIDR": "kubelet knows the node's pod range",
    "all 4 processes are ready": "node pod: all is started",
}
_KLOG = re.compile(r"[IWE](\d{4} \d\d:\d\d:\d\d\.\d{6})")


def main() -> None:
    """Print one timeline of a create and one of a delete."""
    with local_platform("t-timeline") as platform:
        platform.must("up", "--yes")
        platform.must("cluster", "create", "first", "--nodes", "0")
        platform.kubectl("manager", "version")  # fetches the kubeconfig
        started = time.perf_counter()
        bare_pod(platform)
        sys.stdout.write(f"a bare pod in the manager {time.perf_counter() - started:.1f} s\n")
        draw(platform, "watched")


def draw(platform: PlatformUnderTest, name: str) -> None:
    """Create and delete a cluster of this name and print what was seen, in seconds since the command was given."""
    seen = Seen(Client(KubeConfig.from_file(str(platform.folder / "manager.kubeconfig")), timeout=None), name)
    seen.start()
    start = time.time()
    platform.must("cluster", "create", name, "--nodes", "2", "--memory", "1Gi")
    seen.note("create returns")
    for when, what in (*_starts(platform, seen.uids), *_logs(platform, name)):
        seen.moments.append((when, what))
    _print(seen.moments, start)
    seen.moments.clear()
    start = time.time()
    platform.must("cluster", "delete", name, "--yes")
    seen.note("delete returns")
    _print(seen.moments, start)


def _print(moments: list[tuple[float, str]], start: float) -> None:
    for when, what in sorted(moments):
        sys.stdout.write(f"{when - start:8.2f} s  {what}\n")
    sys.stdout.flush()


class Seen:
    """What watches of the manager's API have seen of one cluster."""

    def __init__(self, client: Client, cluster: str) -> None:
        self.moments: list[tuple[float, str]] = []
        self.uids: dict[str, str] = {}
        self._client = client
        self._cluster = cluster
        self._known: set[str] = set()

    def note(self, what: str) -> None:
        """It is so now."""
        self.moments.append((time.time(), what))

    def start(self) -> None:
        """Watch until the process ends."""
        namespace = f"cluster-{self._cluster}"
        for kind in (Pod, Secret, Service, Deployment):
            self._follow(lambda kind=kind: self._client.watch(kind, namespace=namespace), self._object)
        self._follow(lambda: self._client.watch(ClusterResource), self._resource)

    def _follow(self, watch: Callable[[], Iterator[tuple[str, Any]]], tell: Callable[[str, Any], None]) -> None:
        def loop() -> None:
            for event, found in watch():
                tell(event, found)

        threading.Thread(target=loop, daemon=True).start()

    def _once(self, what: str) -> None:
        if what not in self._known:
            self._known.add(what)
            self.note(what)

    def _object(self, event: str, found: Any) -> None:
        what = f"{type(found).__name__} {found.metadata.name}"
        if event == "DELETED":
            self._once(f"{what} is gone")
            return
        self._once(f"{what} is written")
        if found.metadata.deletionTimestamp:
            self._once(f"{what} is to go")
        if isinstance(found, Pod):
            self.uids[found.metadata.uid] = found.metadata.name
            for condition in (found.status.conditions or []) if found.status else []:
                if condition.status == "True":
                    self._once(f"{what}: {condition.type}")

    def _resource(self, event: str, found: Mapping[str, Any]) -> None:
        if found["metadata"]["name"] != self._cluster:
            return
        if event == "DELETED":
            self._once("Cluster is gone")
            return
        self._once("Cluster is written")
        if found["metadata"].get("deletionTimestamp"):
            self._once("Cluster is to go")
        status = found.get("status") or {}
        for condition in status.get("conditions") or ():
            said = f"{condition['status']} {condition['message'][:60]}"
            self._once(f"Cluster: {condition['type']} {said}")


def _starts(platform: PlatformUnderTest, uids: Mapping[str, str]) -> Iterator[tuple[float, str]]:
    boot = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    for process in processes(platform.containers().values(), memory=False).values():
        if process.pods and process.pods[0] in uids:
            inside = " in a pod inside" if len(process.pods) > 1 else ""
            yield boot + process.started_s, f"{uids[process.pods[0]]}: {process.program} starts{inside}"


def _logs(platform: PlatformUnderTest, cluster: str) -> Iterator[tuple[float, str]]:
    pods = platform.kubectl(
        "manager", "-n", f"cluster-{cluster}", "get", "pods", "-l", "moorage.dev/part=node", "-o", "name"
    )
    for pod in pods.stdout.decode().split():
        text = platform.kubectl("manager", "-n", f"cluster-{cluster}", "logs", pod, check=False).stdout.decode()
        for line in text.splitlines():
            time_ = _KLOG.search(line)
            for words, meaning in _TOLD.items():
                if time_ and words in line:
                    moment = datetime.strptime(f"{time.gmtime().tm_year}{time_[1]}+0000", "%Y%m%d %H:%M:%S.%f%z")
                    yield moment.timestamp(), f"{pod.removeprefix('pod/')}: {meaning}"

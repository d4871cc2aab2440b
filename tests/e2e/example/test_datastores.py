"""Datastores on real hosts: a member that lost its data is replaced; one of a cluster's own leaves no trace."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_DATA = "/var/lib/moorage/datastores"
_MANAGERS = ("manager-1", "manager-2", "manager-3")
_OWN = {
    "apiVersion": "moorage.dev/v1",
    "kind": "Cluster",
    "metadata": {"name": "own"},
    "spec": {"version": "1.37.2", "datastore": "dedicated", "controlPlane": {"replicas": 2}},
}


def _resource(platform: PlatformUnderTest, kind: str, name: str) -> Any:
    return json.loads(platform.kubectl("manager", "get", kind, name, "-o", "json").stdout)


def _member(platform: PlatformUnderTest, name: str) -> Any:
    return next(one for one in _resource(platform, "datastore", "shared")["status"]["members"] if one["name"] == name)


def _told(resource: Any, condition: str) -> tuple[str, str]:
    conditions = resource.get("status", {}).get("conditions", ())
    found = {one["type"]: (one["status"], one["reason"]) for one in conditions}
    return found.get(condition, ("", ""))


def _on_hosts(platform: PlatformUnderTest, script: str) -> str:
    return "".join(podman("exec", f"moorage-{platform.name}-{host}", "sh", "-c", script) for host in _MANAGERS)


def test_a_member_that_lost_its_data_is_replaced(example: PlatformUnderTest) -> None:
    """Another takes its place, name and address, with a directory of its own; the cluster's data is all there."""
    eventually(
        lambda: _told(_resource(example, "datastore", "shared"), "Ready") == ("True", "Ready"),
        timeout_s=60,
        what="the shared datastore is ready",
    )
    example.kubectl("team-a", "create", "configmap", "kept", "--from-literal=a=b")
    lost = _member(example, "shared-1")
    podman("exec", f"moorage-{example.name}-{lost['host']}", "rm", "-rf", f"{_DATA}/shared-1")
    example.kubectl("manager", "-n", "moorage-datastores", "delete", "pod", "shared-1-0", "--grace-period=1")

    def replaced() -> bool:
        member = _member(example, "shared-1")
        return bool(member["healthy"] and not member["learner"] and member["id"] != lost["id"])

    eventually(replaced, timeout_s=120, what="member shared-1 is another one and answers")
    eventually(
        lambda: _told(_resource(example, "datastore", "shared"), "Ready") == ("True", "Ready"),
        timeout_s=30,
        what="the shared datastore is ready again",
    )
    assert _on_hosts(example, f"ls {_DATA}/shared-1 2>/dev/null || true").split() == [
        _member(example, "shared-1")["id"]
    ]
    assert example.kubectl("team-a", "get", "configmap", "kept", "-o", "name").stdout == b"configmap/kept\n"


@dataclass
class _Writer:
    """Makes one ConfigMap after the other in a cluster, and counts those that its API says are made."""

    platform: PlatformUnderTest
    made: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Writer:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            done = self.platform.kubectl(
                "own", "create", "configmap", f"written-{number}", "--request-timeout=2s", check=False
            )
            if done.returncode == 0:
                self.made.append(f"configmap/written-{number}")


def _moved(platform: PlatformUnderTest, name: str) -> bool:
    found = _resource(platform, "cluster", "own")
    return found["status"].get("datastore") == {"name": name, "also": ""} and _told(found, "Ready")[0] == "True"


def test_a_datastore_of_its_own_comes_and_goes_with_its_cluster(example: PlatformUnderTest) -> None:
    """Three members, since the control plane may lose one, too; it cannot go before its cluster; nothing is left.

    Nor when the cluster moves out of it: what its API said is written is there afterwards, and whoever watched from
    before is told what came since, or to look anew.
    """
    example.kubectl("manager", "apply", "-f", "-", stdin=json.dumps(_OWN).encode())
    eventually(
        lambda: _told(_resource(example, "cluster", "own"), "Ready") == ("True", "Ready"),
        timeout_s=180,
        what="cluster own is ready",
    )
    datastore = _resource(example, "datastore", "cluster-own")
    assert datastore["status"]["usedBy"] == ["own"]
    assert sorted(one["host"] for one in datastore["status"]["members"]) == list(_MANAGERS)
    with _Writer(example) as writer:
        eventually(lambda: len(writer.made) > 2, timeout_s=60, what="something is written")
        seen = json.loads(example.kubectl("own", "get", "configmaps", "-o", "json").stdout)["metadata"][
            "resourceVersion"
        ]
        example.kubectl("manager", "patch", "cluster", "own", "--type=merge", '-p={"spec":{"datastore":"shared"}}')
        eventually(lambda: _moved(example, "shared"), timeout_s=180, what="cluster own is in the shared datastore")
        before = len(writer.made)
        eventually(lambda: len(writer.made) > before, timeout_s=60, what="it writes again")
    there = example.kubectl("own", "get", "configmaps", "-o", "name").stdout.decode().split()
    assert set(writer.made) <= set(there)
    watched = example.kubectl(
        "own",
        *("get", "--raw", f"/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=2&resourceVersion={seen}"),
    ).stdout.decode()
    assert writer.made[-1].partition("/")[2] in watched or "too old resource version" in watched
    assert "cluster-own" not in example.kubectl("manager", "get", "datastores", "-o", "name").stdout.decode()
    example.kubectl("manager", "patch", "cluster", "own", "--type=merge", '-p={"spec":{"datastore":"dedicated"}}')
    eventually(lambda: _moved(example, "cluster-own"), timeout_s=180, what="cluster own is in its own datastore again")
    back = example.kubectl("own", "get", "configmaps", "-o", "name").stdout.decode().split()
    assert set(writer.made) <= set(back)
    example.kubectl("manager", "delete", "datastore", "cluster-own", "--wait=false")
    eventually(
        lambda: _told(_resource(example, "datastore", "cluster-own"), "Deletable") == ("False", "InUse"),
        timeout_s=30,
        what="the datastore says that it is in use",
    )
    example.kubectl("own", "get", "namespaces")
    example.must("cluster", "delete", "own", "--yes")
    assert _on_hosts(example, f"ls {_DATA}").split() == ["shared-0", "shared-1", "shared-2"]
    left = example.kubectl(
        "manager", "-n", "moorage-datastores", "get", "pods,statefulsets,services,secrets", "-o", "name"
    )
    assert "cluster-own" not in left.stdout.decode()
    assert "cluster-own" not in example.kubectl("manager", "get", "datastores", "-o", "name").stdout.decode()

"""Datastores on real hosts: a member that lost its data is replaced; one of a cluster's own leaves no trace."""

from __future__ import annotations

import json
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


def test_a_datastore_of_its_own_comes_and_goes_with_its_cluster(example: PlatformUnderTest) -> None:
    """Three members, since the control plane may lose one, too; it cannot go before its cluster; nothing is left."""
    example.kubectl("manager", "apply", "-f", "-", stdin=json.dumps(_OWN).encode())
    eventually(
        lambda: _told(_resource(example, "cluster", "own"), "Ready") == ("True", "Ready"),
        timeout_s=180,
        what="cluster own is ready",
    )
    datastore = _resource(example, "datastore", "cluster-own")
    assert datastore["status"]["usedBy"] == ["own"]
    assert sorted(one["host"] for one in datastore["status"]["members"]) == list(_MANAGERS)
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

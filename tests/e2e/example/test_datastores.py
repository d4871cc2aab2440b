"""Datastores on real hosts: one of a cluster's own comes and goes with it, a member that lost its data is replaced."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_CLUSTER = {
    "apiVersion": "moorage.dev/v1",
    "kind": "Cluster",
    "metadata": {"name": "own"},
    "spec": {
        "version": "1.37.2",
        "datastore": "dedicated",
        "pools": [{"name": "general", "kind": "shared", "count": 1, "cpu": "500m", "memory": "1Gi"}],
    },
}
_MANAGERS = ("manager-1", "manager-2", "manager-3")


def datastores(example: PlatformUnderTest) -> dict[str, Any]:
    """All of them by name."""
    items = json.loads(example.kubectl("manager", "get", "datastores", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item for item in items}


def on(host: str, script: str) -> str:
    return podman("exec", f"moorage-t-example-{host}", "sh", "-c", script)


def directories(name: str) -> list[str]:
    """Where data of a datastore lies, over all managers."""
    found = (on(host, f"ls -d /var/lib/moorage/datastores/{name}-* 2>/dev/null || true") for host in _MANAGERS)
    return [line for lines in found for line in lines.split()]


def test_a_dedicated_datastore_comes_and_goes_with_its_cluster(example: PlatformUnderTest) -> None:
    """By kubectl alone; afterwards nothing of it is left, in the manager or on a host."""
    example.kubectl("manager", "apply", "-f", "-", stdin=json.dumps(_CLUSTER).encode())
    example.kubectl("manager", "wait", "--for=condition=Ready", "cluster/own", "--timeout=110s")
    own = datastores(example)["cluster-own"]
    assert own["status"]["usedBy"] == ["own"]
    assert len(directories("cluster-own")) == 1
    assert example.kubectl("own", "get", "nodes", "-o", "name").stdout.count(b"node/") == 1

    example.kubectl("manager", "delete", "cluster", "own", "--timeout=110s")
    assert "cluster-own" not in datastores(example)
    assert directories("cluster-own") == []
    left = example.kubectl(
        "manager",
        "-n",
        "moorage-datastores",
        "get",
        "all,secrets",
        "-l",
        "moorage.dev/datastore=cluster-own",
        "-o",
        "name",
    )
    assert left.stdout == b""


def test_a_member_that_lost_its_data_is_replaced(example: PlatformUnderTest) -> None:
    """Clusters are served meanwhile; the new member is another to etcd, under the old name."""
    before = datastores(example)["shared"]["status"]["members"]
    assert all(member["healthy"] for member in before)
    lost = next(member for member in before if not member["leader"])
    name = lost["name"]
    on(lost["host"], f"find /var/lib/moorage/datastores/{name} -mindepth 1 -delete")
    example.kubectl("manager", "-n", "moorage-datastores", "delete", "pod", f"{name}-0", "--grace-period=0", "--force")

    def replaced() -> bool:
        example.kubectl("team-a", "get", "namespaces", "-o", "name")
        status = datastores(example)["shared"]["status"]
        member = next(one for one in status["members"] if one["name"] == name)
        return bool(status["phase"] == "Ready" and member["healthy"] and member["id"] != lost["id"])

    eventually(replaced, timeout_s=180, what=f"member {name} is replaced")
    assert example.must("status", "-o", "json").json["problems"] == []

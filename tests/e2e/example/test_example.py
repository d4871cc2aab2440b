"""The first example on real hosts: it comes up, its clusters work, a manager may be lost, it goes without a trace."""

from __future__ import annotations

import json

import pytest

from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman


def test_status_tells_that_all_is_well(example: PlatformUnderTest) -> None:
    """Every host is reachable, every API server and node ready, both clusters ready."""
    status = example.must("status", "-o", "json").json
    assert status["problems"] == []
    assert {cluster["name"]: cluster["phase"] for cluster in status["clusters"]} == {
        "team-a": "Ready",
        "team-b": "Ready",
    }


def test_a_second_up_changes_nothing(example: PlatformUnderTest) -> None:
    """What is as wanted is left alone, and preview says so with its exit code."""
    assert example.run("preview", "--detailed-exitcode").status == 0
    assert "Nothing to do" in example.must("up", "--yes").stdout


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: manager, role: manager", "name: other, role: manager", "one manager that serves must stay"),
        (
            "  version: 1.36.3\n",
            "  version: 1.36.3\n  network: {domain: other.local}\n",
            "may not change after creation",
        ),
    ],
)
def test_a_change_that_cannot_be_followed_is_refused(
    example: PlatformUnderTest, old: str, new: str, fault: str
) -> None:
    """By file, line and path, by `preview` already and by `up` before anything is done."""
    path = example.folder / "platform.yaml"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    try:
        for words in (("preview",), ("up", "--yes")):
            done = example.run(*words)
            assert (done.status, fault in done.stderr) == (10, True), done.stderr
            assert f"{path}:" in done.stderr
    finally:
        path.write_text(before)


@pytest.mark.parametrize(("cluster", "version"), [("team-a", "v1.36.3"), ("team-b", "v1.37.2")])
def test_each_cluster_has_its_own_version_and_nodes(example: PlatformUnderTest, cluster: str, version: str) -> None:
    """Two nodes each, of the version that was asked for, no larger than the pool says, told where they are."""
    nodes = json.loads(example.kubectl(cluster, "get", "nodes", "-o", "json").stdout)["items"]
    assert [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes] == [version, version]
    assert {node["status"]["allocatable"]["cpu"] for node in nodes} == {"1"}
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes} == {"a", "b"}


@pytest.mark.parametrize("cluster", ["team-a", "team-b"])
def test_pods_answer_each_other_by_name(example: PlatformUnderTest, answering_image: str, cluster: str) -> None:
    """Pods on different nodes reach each other through a Service and cluster DNS; exec and logs work."""
    labels = {"app": "answer"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    container = {"name": "answer", "image": answering_image, "imagePullPolicy": "Never"}
    documents = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "answer"},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": [container], "topologySpreadConstraints": [spread]},
                    },
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "answer"},
                "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        ],
    }
    example.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(documents).encode())
    example.kubectl(cluster, "rollout", "status", "deployment/answer", "--timeout=90s")
    pods = example.kubectl(cluster, "get", "pods", "-l", "app=answer", "-o", "name").stdout.decode().split()
    assert len(pods) == 2
    name = "http://answer.default.svc.cluster.local/"
    for pod in pods:
        said = example.kubectl(cluster, "exec", pod, "--", "/answer", name).stdout.decode().split()
        assert set(said) == {pod.removeprefix("pod/") for pod in pods}
        assert b"answering as" in example.kubectl(cluster, "logs", pod).stdout


def test_a_cluster_cannot_be_made_twice(example: PlatformUnderTest) -> None:
    """The name is taken, and the error says what to do."""
    done = example.run("cluster", "create", "team-a")
    assert done.status == 16
    assert "team-a exists already" in done.stderr


def test_a_cluster_comes_and_goes_without_a_trace(example: PlatformUnderTest) -> None:
    """It is ready when `create` returns; after `delete` neither a namespace nor a key of it is left."""
    example.must("cluster", "create", "brief", "--nodes", "1", "--memory", "1Gi", "--cpu", "500m")
    assert "brief" in example.must("cluster", "list").stdout
    assert example.kubectl("brief", "get", "nodes", "-o", "name").stdout.count(b"node/") == 1
    example.must("cluster", "delete", "brief", "--yes")
    assert "brief" not in example.must("cluster", "list").stdout
    namespaces = example.kubectl("manager", "get", "namespaces", "-o", "name").stdout.decode()
    assert "cluster-brief" not in namespaces


def test_a_pool_that_fits_nowhere_says_why(example: PlatformUnderTest) -> None:
    """`describe` tells what the node asks for and what each host has free of it."""
    example.must("cluster", "create", "giant", "--nodes", "1", "--memory", "900Gi", "--no-wait")
    try:
        eventually(
            lambda: all(
                f"{host} has " in example.must("cluster", "describe", "giant", "-o", "json").stdout
                for host in ("worker-1", "worker-2")
            ),
            timeout_s=120,
            what="describe says of each host what it has free",
        )
    finally:
        example.must("cluster", "delete", "giant", "--yes")


def test_a_cluster_cannot_read_anothers_keys_in_the_datastore(example: PlatformUnderTest) -> None:
    """The certificate of one cluster's API server opens its own prefix and no other."""
    namespace = "cluster-team-a"
    pod = example.kubectl(
        "manager", "-n", namespace, "get", "pods", "-l", "moorage.dev/part=control-plane", "-o", "name"
    )
    server = json.loads(
        example.kubectl("manager", "-n", "moorage-datastores", "get", "service", "shared-0", "-o", "json").stdout
    )["spec"]["clusterIP"]
    directory = "/etc/moorage/control-plane"
    etcdctl = [
        *("/opt/moorage/current/bin/etcdctl", f"--endpoints=https://{server}:2379", "--command-timeout=5s"),
        *(f"--cacert={directory}/etcd-ca.crt", f"--cert={directory}/etcd-client.crt"),
        *(f"--key={directory}/etcd-client.key", "get", "--prefix", "--keys-only", "--limit=1"),
    ]
    target = pod.stdout.decode().split()[0]
    own = example.kubectl(
        "manager", "-n", namespace, "exec", target, "-c", "kube-apiserver", "--", *etcdctl, "/clusters/team-a/"
    )
    assert own.stdout.startswith(b"/clusters/team-a/")
    other = example.kubectl(
        "manager",
        "-n",
        namespace,
        "exec",
        target,
        "-c",
        "kube-apiserver",
        "--",
        *etcdctl,
        "/clusters/team-b/",
        check=False,
    )
    assert other.returncode != 0
    assert b"permission denied" in other.stderr


def test_one_manager_may_be_lost(example: PlatformUnderTest) -> None:
    """Clusters serve on, a new one can be made, `status` names the host, and `up` brings it back."""
    podman("stop", "--time=0", "moorage-t-example-manager-1")
    try:
        lost = example.run("status", "-o", "json")
        assert any("manager-1" in problem for problem in lost.json["problems"])
        example.reach_anew()
        example.kubectl("team-a", "get", "nodes")
        example.must("cluster", "create", "meanwhile", "--nodes", "1", "--memory", "1Gi", timeout_s=300)
        example.must("cluster", "delete", "meanwhile", "--yes")
    finally:
        example.must("up", "--yes")
    eventually(
        lambda: example.must("status", "-o", "json").json["problems"] == [], timeout_s=180, what="all is well again"
    )

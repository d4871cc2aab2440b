"""What the administrator of one cluster cannot reach of another, and what a greedy pod cannot take from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installer.kubernetes import node_pod
from tests.e2e import images
from tests.e2e.platform_under_test import PlatformUnderTest, eventually

SPACE = "isolation"
CONFINED = "confined"


def _apply(example: PlatformUnderTest, cluster: str, *documents: dict[str, Any]) -> None:
    for document in documents:
        text = json.dumps({"apiVersion": "v1", **document}).encode()
        example.kubectl(cluster, "-n", SPACE, "apply", "-f", "-", stdin=text)


def _pod(name: str, image: str, *args: str) -> dict[str, Any]:
    container = {"name": name, "image": image, "imagePullPolicy": "Never", "args": list(args)}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "restartPolicy": "Never"}
    return {"kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _status(example: PlatformUnderTest, cluster: str, name: str) -> Any:
    return json.loads(example.kubectl(cluster, "-n", SPACE, "get", "pod", name, "-o", "json").stdout)["status"]


def _ready_nodes(example: PlatformUnderTest, cluster: str) -> int:
    found = json.loads(example.kubectl(cluster, "get", "nodes", "-o", "json").stdout)["items"]
    conditions = [one for node in found for one in node["status"]["conditions"]]
    return sum(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@pytest.fixture(scope="module")
def spaces(example: PlatformUnderTest, answering_image: str) -> Iterator[None]:
    """In each cluster a namespace with a pod that answers; team-b's has a Service."""
    clusters = ("team-a", "team-b")
    for cluster in clusters:
        example.make_namespace(cluster, SPACE)
        _apply(example, cluster, _pod(f"of-{cluster}", answering_image))
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"kind": "Service", "metadata": {"name": "hidden"}, "spec": {"selector": {"app": "of-team-b"}}}
    service["spec"]["ports"] = ports  # type: ignore[index]
    _apply(example, "team-b", service)
    for cluster in clusters:
        example.kubectl(cluster, "-n", SPACE, "wait", "--for=condition=Ready", f"pod/of-{cluster}", "--timeout=90s")
    yield
    for cluster in clusters:
        example.kubectl(cluster, "delete", "namespace", SPACE)


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> images.Image:
    """An image with programs/greedy."""
    return images.build("greedy", tmp_path_factory.mktemp("greedy"))


@pytest.fixture(scope="module", autouse=True)
def filling(example: PlatformUnderTest, spaces: None, greedy: images.Image) -> Iterator[str]:
    """A cluster with one node, which may take 1 GiB of its host's disk and takes more from now on; its node pod.

    The host's kubelet looks once a minute: meanwhile there are other tests.
    """
    pool = {"name": "general", "kind": "shared", "cpu": "500m", "memory": "1Gi", "disk": "1Gi"}
    spec = {"version": "1.37.2", "pools": [pool], "addons": {"metricsServer": False}}
    document = {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": CONFINED}, "spec": spec}
    example.kubectl("manager", "apply", "-f", "-", stdin=json.dumps(document).encode())
    try:
        example.kubectl("manager", "wait", "--for=condition=Ready", f"cluster/{CONFINED}", "--timeout=110s")
        for cluster in ("team-a", CONFINED):
            greedy.bring(example, cluster)
        example.make_namespace(CONFINED, SPACE)
        offered = ("get", "nodes", "-o", "jsonpath={.items[0].status.allocatable.ephemeral-storage}")
        assert abs(int(example.kubectl(CONFINED, *offered).stdout) - 2**30) < 2**20
        [first] = _node_pods(example, CONFINED)
        _apply(example, CONFINED, _pod("filler", greedy.reference, "disk", "/filled", "3072"))
        yield first
    finally:
        example.run("cluster", "delete", CONFINED, "--yes")


@pytest.mark.parametrize("other", ["team-b", "manager"])
def test_an_administrator_is_nobody_elsewhere(example: PlatformUnderTest, tmp_path: Path, other: str) -> None:
    """Team-a's credentials at another API server, which is the right one: it does not know them."""
    for cluster in ("team-a", other):
        example.kubectl(cluster, "get", "namespaces")  # it works with one's own
    mine = json.loads((example.folder / "team-a.kubeconfig").read_text())
    theirs = json.loads((example.folder / f"{other}.kubeconfig").read_text())
    mine["clusters"][0]["cluster"] = theirs["clusters"][0]["cluster"]
    (tmp_path / "crossed").touch(mode=0o600)
    (tmp_path / "crossed").write_text(json.dumps(mine))
    for words in (("get", "secrets", "-A"), ("create", "namespace", "intruder"), ("get", "nodes")):
        done = example.kubectl("team-a", *words, f"--kubeconfig={tmp_path / 'crossed'}", check=False)
        assert done.returncode != 0
        assert b"must be logged in" in done.stderr or b"Unauthorized" in done.stderr, done.stderr


def test_pods_do_not_reach_another_clusters(example: PlatformUnderTest, spaces: None) -> None:
    """Neither by name, nor by the Service's address, nor by the pod's: these mean something else here, or nothing."""
    service = json.loads(example.kubectl("team-b", "-n", SPACE, "get", "service", "hidden", "-o", "json").stdout)
    inside = example.kubectl("team-b", "-n", SPACE, "exec", "of-team-b", "--", "/answer", f"http://hidden.{SPACE}/")
    assert b"of-team-b" in inside.stdout
    own = f"http://{_status(example, 'team-a', 'of-team-a')['podIP']}:8080/"
    asked = example.kubectl("team-a", "-n", SPACE, "exec", "of-team-a", "--", "/answer", own)
    assert b"of-team-a" in asked.stdout  # so that silence means something
    addresses = (
        f"hidden.{SPACE}.svc.cluster.local",
        service["spec"]["clusterIP"],
        f"{_status(example, 'team-b', 'of-team-b')['podIP']}:8080",
    )
    for address in addresses:
        words = ("-n", SPACE, "exec", "of-team-a", "--", "/answer", f"http://{address}/")
        assert b"of-team-b" not in example.kubectl("team-a", *words, check=False).stdout


def test_no_node_forwards_for_another_cluster(example: PlatformUnderTest, spaces: None, answering_image: str) -> None:
    """A route by way of a neighbour's node pod, which whoever is privileged on a node can set, leads nowhere."""
    theirs = json.loads(example.kubectl("team-b", "-n", SPACE, "get", "pod", "of-team-b", "-o", "json").stdout)
    neighbour = _node_pod(example, "team-b", theirs["spec"]["nodeName"])
    [ours] = [
        pod
        for name in _node_pods(example, "team-a")
        if (pod := _node_pod(example, "team-a", name.partition("/")[2]))["spec"]["nodeName"]
        == neighbour["spec"]["nodeName"]
    ]
    pod = _pod("outside", answering_image)
    pod["spec"] |= {"hostNetwork": True, "nodeName": ours["metadata"]["name"]}
    _apply(example, "team-a", pod)
    example.kubectl("team-a", "-n", SPACE, "wait", "--for=condition=Ready", "pod/outside", "--timeout=60s")
    route = (f"{theirs['status']['podIP']}/32", "via", neighbour["status"]["podIP"], "dev", "eth0", "onlink")
    inside = ("-n", "cluster-team-a", "exec", ours["metadata"]["name"], "--", "ip", "route")
    example.kubectl("manager", *inside, "add", *route)
    try:
        words = ("-n", SPACE, "exec", "outside", "--", "/answer", f"http://{theirs['status']['podIP']}:8080/")
        done = example.kubectl("team-a", *words, check=False)
    finally:
        example.kubectl("manager", *inside, "del", *route)
    assert done.returncode != 0
    assert b"of-team-b" not in done.stdout
    assert b"Timeout" in done.stderr or b"deadline" in done.stderr, done.stderr


def _node_pod(example: PlatformUnderTest, cluster: str, name: str) -> Any:
    return json.loads(example.kubectl("manager", "-n", f"cluster-{cluster}", "get", "pod", name, "-o", "json").stdout)


def test_a_fork_bomb_is_stopped_at_its_pod(example: PlatformUnderTest, spaces: None, greedy: images.Image) -> None:
    """It is refused more processes; its own node and the other cluster on the host go on."""
    _apply(example, "team-a", _pod("bomb", greedy.reference, "processes"))

    def refused() -> bool:
        return b"refused after" in example.kubectl("team-a", "-n", SPACE, "logs", "bomb", check=False).stdout

    eventually(refused, timeout_s=120, what="the bomb is refused more processes")
    said = example.kubectl("team-a", "-n", SPACE, "logs", "bomb").stdout.decode()
    assert 1000 < int(said.partition("refused after ")[2].split()[0]) < node_pod.POD_PIDS
    for cluster in ("team-a", "team-b"):
        words = ("-n", SPACE, "exec", f"of-{cluster}", "--", "/answer", "http://127.0.0.1:8080/")
        assert f"of-{cluster}".encode() in example.kubectl(cluster, *words).stdout
        assert _ready_nodes(example, cluster) == 2
    example.kubectl("team-a", "-n", SPACE, "delete", "pod", "bomb", "--grace-period=0", "--force")


def test_who_takes_all_memory_of_a_node_is_ended(
    example: PlatformUnderTest, spaces: None, greedy: images.Image
) -> None:
    """The pod, not its node, nor anything of the other cluster on that host."""
    before = _status(example, "team-b", "of-team-b")
    _apply(example, "team-a", _pod("hog", greedy.reference, "memory"))
    eventually(
        lambda: _status(example, "team-a", "hog")["phase"] == "Failed", timeout_s=120, what="the hog has been ended"
    )
    eventually(lambda: _ready_nodes(example, "team-a") == 2, timeout_s=120, what="team-a's nodes are ready")
    after = _status(example, "team-b", "of-team-b")
    assert [one["restartCount"] for one in after["containerStatuses"]] == [0]
    assert after["startTime"] == before["startTime"]
    assert _ready_nodes(example, "team-b") == 2


def test_a_log_flood_is_rotated(example: PlatformUnderTest, spaces: None, greedy: images.Image) -> None:
    """Five files of it are kept, and the other cluster answers meanwhile."""
    _apply(example, "team-a", _pod("flood", greedy.reference, "log"))
    words = ("-n", SPACE, "exec", "of-team-b", "--", "/answer", "http://127.0.0.1:8080/")

    def rotated() -> bool:
        assert b"of-team-b" in example.kubectl("team-b", *words).stdout
        return len(_logs(example, "flood")) > 1

    example.kubectl("team-a", "-n", SPACE, "wait", "--for=condition=Ready", "pod/flood", "--timeout=60s")
    eventually(rotated, timeout_s=60, what="the flood's log is in more than one file")
    assert len(_logs(example, "flood")) <= 6  # five, and one that is just being packed
    example.kubectl("team-a", "-n", SPACE, "delete", "pod", "flood", "--grace-period=0", "--force")


def test_a_disk_filler_loses_its_node(example: PlatformUnderTest, filling: str) -> None:
    """The node that takes more of the disk than it may is made anew; nobody else on its host has felt anything."""
    eventually(
        lambda: _node_pods(example, CONFINED) not in ([], [filling]), timeout_s=240, what="the filler's node is another"
    )
    after = _status(example, "team-b", "of-team-b")
    assert [one["restartCount"] for one in after["containerStatuses"]] == [0]
    for cluster in ("team-a", "team-b"):
        assert _ready_nodes(example, cluster) == 2


def _node_pods(example: PlatformUnderTest, cluster: str) -> list[str]:
    words = ("-n", f"cluster-{cluster}", "get", "pods", "-l", "moorage.dev/part=node", "-o", "name")
    return example.kubectl("manager", *words).stdout.decode().split()


def _logs(example: PlatformUnderTest, name: str) -> list[str]:
    """The log files of a pod of team-a on its node."""
    pod = json.loads(example.kubectl("team-a", "-n", SPACE, "get", "pod", name, "-o", "json").stdout)
    folder = f"/var/log/pods/{SPACE}_{name}_{pod['metadata']['uid']}/{name}"
    words = ("-n", "cluster-team-a", "exec", pod["spec"]["nodeName"], "--", "ls", folder)
    return example.kubectl("manager", *words).stdout.decode().split()

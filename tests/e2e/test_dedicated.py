"""Dedicated pools: whole hosts as nodes of a cluster, beside node pods of it; and clean again when they leave."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from cryptography import x509

from installer.kubernetes import storage
from tests.e2e.images import Image, build
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_NAME = "t-metal"
_CTR = ("/opt/moorage/current/bin/ctr", "-n", "k8s.io", "images", "import", "-")
# What a host has of ours, whoever put it there: files, links, tables, processes.
_TRACES = """
for path in /etc/moorage /etc/systemd/system/*moorage* /etc/systemd/system/kubelet.service; do
  [ ! -e "$path" ] || echo "$path"
done
find /opt/moorage /var/lib/moorage /var/lib/kubelet /var/lib/containerd -mindepth 1 2>/dev/null
ip -o link | awk -F': ' '{print $2}' | grep -E '^(cni|flannel|moorage|veth)'
nft list tables
pgrep -l 'containerd|kubelet|kube-proxy|flanneld|moorage-host'
true
"""


def _specification(hosts: str) -> str:
    return f"""
apiVersion: moorage.dev/v1
kind: Platform
metadata: {{name: {_NAME}}}
spec:
  release: "2026.11"
  regions:
    - name: home
      provider: {{kind: local}}
      hosts:
        - {{name: manager, role: manager}}
        - {{name: worker, role: worker}}
        - {{name: metal, role: dedicated, count: 2}}
---
apiVersion: moorage.dev/v1
kind: Cluster
metadata: {{name: team-a}}
spec:
  version: 1.36.3
  pools:
    - {{name: general, kind: shared, cpu: 1, memory: 1Gi}}
    - {{name: metal, kind: dedicated, hosts: [{hosts}], labels: {{disk: fast}}}}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    """One worker, one dedicated host in a cluster, one that is free."""
    folder = tmp_path_factory.mktemp("dedicated")
    (folder / "platform.yaml").write_text(_specification("metal-1"))
    found = PlatformUnderTest(_NAME, folder)
    try:
        found.must("up", "--yes", timeout_s=900)
        yield found
    finally:
        found.take_down()


@pytest.fixture(scope="module")
def image(platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What pods answer with, on both nodes."""
    made = build("answer", tmp_path_factory.mktemp("answer"), "tar")
    made.bring(platform, "team-a")
    platform_exec("metal-1", *_CTR, stdin=made.content)
    return made


def platform_exec(host: str, *words: str, stdin: bytes | None = None) -> str:
    """Run something on a host."""
    return podman("exec", "-i", f"moorage-{_NAME}-{host}", *words, stdin=stdin)


def nodes(platform: PlatformUnderTest) -> dict[str, dict[str, Any]]:
    """The cluster's, by name."""
    items = json.loads(platform.kubectl("team-a", "get", "nodes", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item for item in items}


def version(node: dict[str, Any]) -> str:
    return str(node["status"]["nodeInfo"]["kubeletVersion"])


def test_a_host_is_a_node_with_the_marks_of_its_pool(platform: PlatformUnderTest) -> None:
    """The other dedicated host has nothing on it, and a second run nothing to do."""
    found = nodes(platform)
    assert len(found) == 2
    labels = found["metal-1"]["metadata"]["labels"]
    assert (labels["disk"], labels["moorage.dev/pool"]) == ("fast", "metal")
    # Kubernetes takes its own taint of nodes that are not ready away in its own time.
    eventually(lambda: "taints" not in nodes(platform)["metal-1"]["spec"], timeout_s=15, what="pods may come to it")
    assert platform_exec("metal-2", "sh", "-c", _TRACES).split("\n") == [""]
    again = platform.must("up", "--yes")
    assert "Nothing to do" in again.stdout, again.stderr
    assert platform.must("status", "-o", "json").json["problems"] == []


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ({"kind": "dedicated", "hosts": ["metal-1"], "cpu": "1"}, "cpu is allowed only with kind shared"),
        ({"kind": "dedicated"}, "hosts is needed with, and only with, kind dedicated"),
        ({"kind": "shared", "hosts": ["metal-1"]}, "hosts is needed with, and only with, kind dedicated"),
        ({"kind": "rented"}, 'supported values: "shared", "dedicated"'),
    ],
)
def test_each_kind_of_pool_has_its_own_fields(platform: PlatformUnderTest, pool: dict[str, Any], said: str) -> None:
    """Refused by the manager's API, whoever writes it."""
    patch = json.dumps({"spec": {"pools": [{"name": "other", **pool}]}})
    words = ("patch", "cluster", "team-a", "--type=merge", "--dry-run=server", "-p", patch)
    assert said in platform.kubectl("manager", *words, check=False).stderr.decode()


def test_the_host_has_no_credential_of_the_manager(platform: PlatformUnderTest) -> None:
    """Whoever is root there is nobody in the manager: no certificate is of its authorities, no key is a client's."""
    config = yaml.safe_load(platform.must("cluster", "kubeconfig", "manager").stdout)
    data = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    authority = x509.load_pem_x509_certificate(data)
    script = "find /etc/moorage -name '*.crt' -exec cat {} + ; grep -rl 'manager' /etc/moorage || true"
    text = platform_exec("metal-1", "sh", "-c", script)
    certificates = x509.load_pem_x509_certificates(text.split("/etc/moorage")[0].encode())
    assert len(certificates) >= 5
    assert authority.subject not in {one.issuer for one in certificates}


def test_pods_on_both_kinds_of_nodes_answer_each_other(platform: PlatformUnderTest, image: Image) -> None:
    """Through a Service and cluster DNS, in both directions; exec and logs work on both."""
    labels = {"app": "answer"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    container = {"name": "answer", "image": image.reference, "imagePullPolicy": "Never"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "topologySpreadConstraints": [spread]},
    }
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": "answer"}
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    platform.kubectl("team-a", "apply", "-f", "-", stdin=document)
    platform.kubectl("team-a", "rollout", "status", "deployment/answer", "--timeout=90s")
    pods = platform.kubectl("team-a", "get", "pods", "-l", "app=answer", "-o", "name").stdout.decode().split()

    def answers(pod: str) -> bool:
        """Twenty times in a row, by whom it may be."""
        words = ("exec", pod, "--", "/answer", "http://answer.default.svc.cluster.local/")
        asked = platform.kubectl("team-a", *words, check=False)
        return not asked.returncode and set(asked.stdout.decode().split()) == {p.removeprefix("pod/") for p in pods}

    for pod in pods:
        # A lookup that is lost takes as long as the asker waits.
        eventually(lambda pod=pod: answers(pod), timeout_s=30, what=f"{pod} reaches both")  # type: ignore[misc]
        assert b"answering as" in platform.kubectl("team-a", "logs", pod).stdout
    platform.kubectl("team-a", "delete", "deployment/answer", "--wait=false")


def test_a_volume_is_on_the_hosts_own_disk(platform: PlatformUnderTest, image: Image) -> None:
    """Made for the first pod there, gone with its claim."""
    mount = {"name": "data", "mountPath": "/data"}
    container = {
        "name": "a",
        "image": image.reference,
        "imagePullPolicy": "Never",
        "volumeMounts": [mount],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db"},
        "spec": {
            "nodeSelector": {"disk": "fast"},
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db"}}],
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "db"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": [claim, pod]}).encode()
    platform.kubectl("team-a", "apply", "-f", "-", stdin=document)
    platform.kubectl("team-a", "wait", "pod/db", "--for=condition=Ready", "--timeout=60s")
    assert _volumes("metal-1").startswith("pvc-")
    platform.kubectl("team-a", "delete", "pod/db", "pvc/db")
    eventually(lambda: _volumes("metal-1") == "", timeout_s=60, what="the volume's directory is removed")


def _volumes(host: str) -> str:
    path = storage.directory("team-a")
    return platform_exec(host, "sh", "-c", f"[ ! -e {path} ] || ls {path}").strip()


def test_an_upgrade_changes_the_host_in_place(platform: PlatformUnderTest) -> None:
    """After the control plane, emptied before; the node is the same one."""
    before = nodes(platform)["metal-1"]["metadata"]["uid"]
    platform.must("cluster", "upgrade", "team-a", "--to", "1.37.2", "--yes")
    after = nodes(platform)
    assert {version(node) for node in after.values()} == {"v1.37.2"}
    assert after["metal-1"]["metadata"]["uid"] == before
    assert "unschedulable" not in after["metal-1"]["spec"]


def test_a_host_goes_where_its_pool_says(platform: PlatformUnderTest) -> None:
    """Killed while the first is cleaned, the next run ends it; then that host is as it was before."""
    path = platform.folder / "platform.yaml"
    path.write_text(path.read_text().replace("[metal-1]", "[metal-2]"))
    platform.kill_when(lambda line: "removing what was installed" in line, "up", "--yes", "-o", "json")
    platform.must("up", "--yes")
    assert set(nodes(platform)) >= {"metal-2"}
    assert "metal-1" not in nodes(platform)
    assert platform_exec("metal-1", "sh", "-c", _TRACES).split("\n") == [""]
    assert platform.must("status", "-o", "json").json["problems"] == []


def test_a_host_that_starts_anew_finds_its_way_back(platform: PlatformUnderTest) -> None:
    """Its way to the API is not remembered by the kernel: a unit makes it again."""
    podman("restart", "--time", "5", f"moorage-{_NAME}-metal-2")
    restarted = datetime.now(UTC)
    eventually(
        lambda: _renewed(platform, "metal-2") > restarted and _is_ready(platform, "metal-2"),
        timeout_s=120,
        what="its kubelet reaches the API again",
    )


def _renewed(platform: PlatformUnderTest, name: str) -> datetime:
    """When a node's kubelet was last heard of; the beginning of time, if never."""
    words = ("-n", "kube-node-lease", "get", "lease", name, "-o", "jsonpath={.spec.renewTime}")
    done = platform.kubectl("team-a", *words, check=False)
    return datetime.min.replace(tzinfo=UTC) if done.returncode else datetime.fromisoformat(done.stdout.decode())


def _is_ready(platform: PlatformUnderTest, name: str) -> bool:
    conditions = {one["type"]: one for one in nodes(platform)[name]["status"]["conditions"]}
    return bool(conditions["Ready"]["status"] == "True")


def test_hosts_are_free_when_their_cluster_is_gone(platform: PlatformUnderTest) -> None:
    """The next run cleans them."""
    platform.must("cluster", "delete", "team-a", "--yes")
    path = platform.folder / "platform.yaml"
    path.write_text(path.read_text().split("---")[0])
    platform.must("up", "--yes")
    assert platform_exec("metal-2", "sh", "-c", _TRACES).split("\n") == [""]

"""What a tenant may expect inside a cluster: webhooks, metrics, every kubectl command, every kind of pod."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from installer.kubernetes import pki
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, kubectl

CLUSTER = "team-b"
SPACE = "inside"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def inside(example: PlatformUnderTest, answering_image: str) -> Iterator[str]:
    """A namespace with the pod `answer`, which is a webhook, too; the image it runs."""
    authority = pki.new_ca("webhook")
    served = authority.issue(pki.Subject("answer", names=(f"answer.{SPACE}.svc",), server=True, client=False))
    certificate = {"tls.crt": served.cert_pem, "tls.key": served.key_pem.reveal()}
    example.make_namespace(CLUSTER, SPACE)
    apply(example, {"kind": "Secret", "metadata": {"name": "answer"}, "stringData": certificate})
    mounts = {"volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
    apply(
        example, pod("answer", answering_image, mounts, volumes=[{"name": "tls", "secret": {"secretName": "answer"}}])
    )
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}]
    spec = {"selector": {"app": "answer"}, "ports": ports}
    apply(example, {"kind": "Service", "metadata": {"name": "answer"}, "spec": spec})
    example.kubectl(CLUSTER, "-n", SPACE, "wait", "--for=condition=Ready", "pod/answer", "--timeout=90s")
    apply(example, webhook(authority.cert_pem))
    yield answering_image
    example.kubectl(CLUSTER, "delete", "validatingwebhookconfiguration", "answer")
    example.kubectl(CLUSTER, "delete", "namespace", SPACE)


def pod(name: str, image: str, container: Document | None = None, **spec: Any) -> Document:
    """A pod that runs programs/answer."""
    found = {"name": name, "image": image, "imagePullPolicy": "Never", **(container or {})}
    meta = {"name": name, "labels": {"app": name}}
    return {
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [found], "terminationGracePeriodSeconds": 1, **spec},
    }


def webhook(ca_pem: str) -> Document:
    """ConfigMaps of our namespace are judged by the pod `answer`."""
    service = {"name": "answer", "namespace": SPACE, "path": "/", "port": 443}
    one = {
        "name": "answer.moorage.dev",
        "clientConfig": {"service": service, "caBundle": base64.b64encode(ca_pem.encode()).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SPACE}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "answer"},
        "webhooks": [one],
    }


def apply(example: PlatformUnderTest, document: Document) -> None:
    """Make an object, in our namespace where it has one."""
    text = json.dumps({"apiVersion": "v1", **document}).encode()
    example.kubectl(CLUSTER, "-n", SPACE, "apply", "-f", "-", stdin=text)


def run(example: PlatformUnderTest, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """`kubectl WORDS` in our namespace."""
    return example.kubectl(CLUSTER, "-n", SPACE, *words, check=check)


def ready(example: PlatformUnderTest, document: Document) -> str:
    """Make a pod, wait until it is ready, return its name."""
    apply(example, document)
    name = str(document["metadata"]["name"])
    run(example, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")
    return name


@pytest.mark.usefixtures("inside")
def test_a_webhook_refuses_with_its_reason(example: PlatformUnderTest) -> None:
    """The API server asks a pod of the cluster, and tells the user what the pod said."""
    run(example, "create", "configmap", "right", "--from-literal=colour=blue")
    refused = run(example, "create", "configmap", "wrong", "--from-literal=colour=green", check=False)
    assert refused.returncode != 0
    assert b"green is not blue" in refused.stderr


@pytest.mark.usefixtures("inside")
def test_the_api_server_leads_to_services_and_pods(example: PlatformUnderTest) -> None:
    """Its proxy subresources answer as the pod does."""
    for path in ("services/answer:80", "pods/answer:8080"):
        said = example.kubectl(CLUSTER, "get", "--raw", f"/api/v1/namespaces/{SPACE}/{path}/proxy/")
        assert said.stdout == b"answer\n"


def test_metrics_of_nodes_and_pods(example: PlatformUnderTest, inside: str) -> None:
    """An aggregated API answers, and an autoscaler acts on what it says."""
    burning = {"command": ["/answer", "burn"], "resources": {"requests": {"cpu": "50m"}}}
    template = {key: part for key, part in pod("busy", inside, burning).items() if key != "kind"}
    labels = template["metadata"]["labels"]
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    apply(example, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "busy"}, "spec": spec})
    run(example, "autoscale", "deployment/busy", "--cpu=50%", "--min=1", "--max=2")
    nodes = len(example.kubectl(CLUSTER, "get", "nodes", "-o", "name").stdout.split())
    assert nodes

    def told() -> bool:
        top = example.kubectl(CLUSTER, "top", "nodes", "--no-headers", check=False)
        return top.stdout.count(b"%") == 2 * nodes

    eventually(told, timeout_s=120, what="`kubectl top nodes` tells CPU and memory of every node")
    eventually(lambda: b"busy" in run(example, "top", "pods", check=False).stdout, timeout_s=60, what="`top pods`")

    def scaled() -> bool:
        found = json.loads(run(example, "get", "deployment", "busy", "-o", "json").stdout)
        return bool(found["spec"]["replicas"] == 2)

    eventually(scaled, timeout_s=120, what="the autoscaler makes a second pod of one that is too busy")


@pytest.mark.usefixtures("inside")
def test_exec_logs_and_cp(example: PlatformUnderTest, tmp_path: Path) -> None:
    """A file goes into a pod and comes back as it was."""
    assert run(example, "exec", "answer", "--", "/answer", "http://127.0.0.1:8080/").stdout == b"answer\n" * 20
    assert b"answering as answer" in run(example, "logs", "answer").stdout
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(bytes(range(256)) * 400)
    run(example, "cp", str(sent), "answer:/copied")
    run(example, "cp", "answer:/copied", str(back))
    assert back.read_bytes() == sent.read_bytes()


@contextmanager
def streaming(example: PlatformUnderTest, *words: str) -> Iterator[str]:
    """The first line of a `kubectl WORDS` that goes on."""
    argv = [kubectl(), "--kubeconfig", str(example.folder / f"{CLUSTER}.kubeconfig"), "-n", SPACE, *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("inside")
def test_port_forward(example: PlatformUnderTest) -> None:
    """A port of ours leads to one of a pod."""
    with streaming(example, "port-forward", "pod/answer", ":8080") as line:
        port = line.split(":")[1].split()[0]
        with urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.read() == b"answer\n"


def test_attach(example: PlatformUnderTest, inside: str) -> None:
    """It shows what a program writes from then on."""
    ready(example, pod("chatter", inside, {"command": ["/answer", "chatter"]}))
    with streaming(example, "attach", "chatter") as line:
        assert "answering as chatter" in line


def test_debug(example: PlatformUnderTest, inside: str) -> None:
    """A container that is added to a running pod sees its network."""
    ask = ("/answer", "http://127.0.0.1:8080/")
    run(example, "debug", "answer", f"--image={inside}", "--image-pull-policy=Never", "-c", "look", "--", *ask)

    def looked() -> bool:
        return run(example, "logs", "answer", "-c", "look", check=False).stdout == b"answer\n" * 20

    eventually(looked, timeout_s=60, what="the added container asks the pod")


def test_pods_of_every_kind(example: PlatformUnderTest, inside: str) -> None:
    """Host network, privileged, a directory of the node: what a node of one's own allows."""
    mounted = {"volumeMounts": [{"name": "node", "mountPath": "/node"}]}
    volumes = [{"name": "node", "hostPath": {"path": "/etc/moorage/node", "type": "Directory"}}]
    ready(example, pod("privileged", inside, {"securityContext": {"privileged": True}, **mounted}, volumes=volumes))
    assert (
        b"BEGIN CERTIFICATE" in run(example, "exec", "privileged", "--", "/bin/tar", "cf", "-", "/node/ca.crt").stdout
    )
    ready(example, pod("on-host", inside, hostNetwork=True))
    found = json.loads(run(example, "get", "pod", "on-host", "-o", "json").stdout)
    assert found["status"]["podIP"] == found["status"]["hostIP"]
    said = example.kubectl(CLUSTER, "get", "--raw", f"/api/v1/namespaces/{SPACE}/pods/on-host:8080/proxy/")
    assert said.stdout.decode().strip() == found["spec"]["nodeName"]


@pytest.mark.usefixtures("inside")
def test_a_disruption_budget_blocks_an_eviction(example: PlatformUnderTest) -> None:
    """The only pod that a budget wants may not be evicted, and stays."""
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "answer"}}}
    apply(
        example,
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "answer"}, "spec": spec},
    )
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "answer", "namespace": SPACE}}
    path = f"/api/v1/namespaces/{SPACE}/pods/answer/eviction"

    def refused() -> bool:
        answer = example.kubectl(
            CLUSTER, "create", "--raw", path, "-f", "-", stdin=json.dumps(eviction).encode(), check=False
        )
        assert answer.returncode != 0, "the pod is evicted"
        return b"disruption budget" in answer.stderr

    eventually(refused, timeout_s=30, what="the eviction is refused for the budget")
    run(example, "get", "pod", "answer")

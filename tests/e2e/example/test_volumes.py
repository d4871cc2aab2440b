"""Volumes are on hosts' disks: they outlive node pods, go with their claims, and with their cluster without a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installer.kubernetes import storage
from tests.e2e.images import Image
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_NAME = "stored"
_GREETING = b"hello from before\n"


@pytest.fixture(scope="module")
def stored(example: PlatformUnderTest) -> Iterator[PlatformUnderTest]:
    """The example with one more cluster, of one small node."""
    example.must("cluster", "create", _NAME, "--nodes", "1", "--cpu", "500m", "--memory", "1Gi")
    yield example
    example.run("cluster", "delete", _NAME, "--yes")  # the last test has done so, unless one failed before


def run(stored: PlatformUnderTest, *words: str, stdin: bytes | None = None) -> bytes:
    """What `kubectl WORDS` in the cluster says."""
    return stored.kubectl(_NAME, *words, stdin=stdin).stdout


def node_pods(stored: PlatformUnderTest) -> list[str]:
    words = ("-n", f"cluster-{_NAME}", "get", "pods", "-l", "moorage.dev/part=node", "-o", "name")
    return stored.kubectl("manager", *words).stdout.decode().split()


def directories(stored: PlatformUnderTest) -> list[str]:
    """What the cluster has on hosts: its own directory and those of its volumes, as HOST:PATH."""
    path = storage.directory(_NAME)
    found = []
    for name in stored.containers():
        listed = podman("exec", name, "sh", "-c", f"[ ! -e {path} ] || find {path} -maxdepth 1")
        found += [f"{name}:{line}" for line in listed.split()]
    return found


def volumes(stored: PlatformUnderTest) -> list[str]:
    return [path for path in directories(stored) if "/pvc-" in path]


def claim(name: str, mode: str = "ReadWriteOnce") -> dict[str, Any]:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def template(image: str, volume: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod that has a volume, and is nobody in particular."""
    container = {"name": "answer", "image": image, "imagePullPolicy": "Never"}
    mounts = [{"name": "data", "mountPath": "/data"}]
    return {
        "metadata": {"labels": {"app": "db"}},
        "spec": {
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
            "terminationGracePeriodSeconds": 1,
            "containers": [{**container, "volumeMounts": mounts}],
            **({"volumes": [{"name": "data", **volume}]} if volume else {}),
        },
    }


def test_data_outlives_the_node_pod(stored: PlatformUnderTest, answer: Image, tmp_path: Path) -> None:
    """A pod of a StatefulSet finds again what it wrote, on a node that is made anew."""
    answer.bring(stored, _NAME)
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template(answer.reference),
        "volumeClaimTemplates": [{key: part for key, part in claim("data").items() if key != "apiVersion"}],
    }
    made = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    run(stored, "apply", "-f", "-", stdin=json.dumps(made).encode())
    run(stored, "rollout", "status", "statefulset/db", "--timeout=60s")
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(_GREETING)
    run(stored, "cp", str(sent), "db-0:/data/greeting")
    (before,) = node_pods(stored)
    (where,) = volumes(stored)

    stored.kubectl("manager", "-n", f"cluster-{_NAME}", "delete", before, "--grace-period=1")
    eventually(lambda: len(node_pods(stored)) == 1, timeout_s=30, what="there is a new node pod")
    (after,) = node_pods(stored)
    assert after != before
    stored.kubectl("manager", "-n", f"cluster-{_NAME}", "wait", "--for=condition=Ready", after, "--timeout=60s")
    answer.bring(stored, _NAME)
    words = ("get", "pod", "db-0", "-o", "jsonpath={.spec.nodeName}")
    eventually(
        lambda: stored.kubectl(_NAME, *words, check=False).stdout.decode() == after.removeprefix("pod/"),
        timeout_s=60,
        what="db-0 is on the new node",
    )
    run(stored, "wait", "--for=condition=Ready", "pod/db-0", "--timeout=60s")
    run(stored, "cp", "db-0:/data/greeting", str(back))
    assert back.read_bytes() == _GREETING
    assert volumes(stored) == [where]


def test_a_claim_that_cannot_be_is_told_why(stored: PlatformUnderTest, answer: Image) -> None:
    """By an event of the claim, in the cluster itself."""
    pod = template(answer.reference, {"persistentVolumeClaim": {"claimName": "many"}})
    meta = {**pod["metadata"], "name": "many"}
    documents = [
        claim("many", "ReadWriteMany"),
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]},
    ]
    run(
        stored,
        "apply",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}).encode(),
    )
    eventually(
        lambda: b"ReadWriteMany cannot be: a volume is a directory" in run(stored, "describe", "pvc", "many"),
        timeout_s=30,
        what="`kubectl describe` says why the claim waits",
    )
    run(stored, "delete", "pod/many", "pvc/many")


def test_a_claim_that_goes_takes_its_data(stored: PlatformUnderTest) -> None:
    """Files of whomever the pod ran as included."""
    run(stored, "scale", "statefulset/db", "--replicas=2")  # whose volume stays until the cluster goes
    run(stored, "rollout", "status", "statefulset/db", "--timeout=60s")
    assert len(volumes(stored)) == 2
    run(stored, "scale", "statefulset/db", "--replicas=0")
    run(stored, "delete", "pvc", "data-db-0")
    eventually(lambda: len(volumes(stored)) == 1, timeout_s=60, what="one directory is left")
    eventually(lambda: run(stored, "get", "pv", "-o", "name").count(b"pvc-") == 1, timeout_s=30, what="and one volume")


def test_a_cluster_that_goes_takes_its_volumes(stored: PlatformUnderTest) -> None:
    """Nothing is left on any host, nor of the pods that removed it."""
    assert len(volumes(stored)) == 1
    stored.must("cluster", "delete", _NAME, "--yes")
    assert directories(stored) == []
    words = ("-n", storage.NAMESPACE, "get", "pods", "-l", f"moorage.dev/cluster={_NAME}", "-o", "name")
    assert stored.kubectl("manager", *words).stdout == b""

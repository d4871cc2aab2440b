"""Nodes pull through a mirror with an authority and a login of its own, and follow it when the login changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from installer.bundle import archive
from installer.kubernetes import pki
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_CLUSTER, _NAMESPACE, _SECRET = "team-a", "cluster-team-a", "mirror-login"
_PROGRAMS = Path(__file__).parents[1] / "programs"
_PORT = 5443
_SECONDS = "300"  # then the registry ends by itself


@dataclass(frozen=True)
class Mirror:
    """A registry on a host; it mirrors docker.io, which nobody here can reach."""

    platform: PlatformUnderTest
    container: str
    address: str
    ca: str

    def admit(self, login: str) -> None:
        """Let in this user, and nobody else."""
        run = ["podman", "exec", "-i", self.container, "sh", "-c", "cat >/tmp/registry/users"]
        subprocess.run(run, input=login.encode(), check=True, timeout=60)

    def entry(self) -> dict[str, Any]:
        mirror = {"url": f"https://{self.address}:{_PORT}", "ca": self.ca, "credentials": {"secret": _SECRET}}
        return {"name": "docker.io", "upstream": False, "mirrors": [mirror]}


@pytest.fixture(scope="module")
def mirror(example: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Named by the cluster as its only way to docker.io; no login is there yet."""
    folder = tmp_path_factory.mktemp("registry")
    (container,) = [name for name in example.containers() if name.endswith("-worker-1")]
    hosts = example.must("host", "list", "-o", "json").json
    (address,) = [host["address"] for host in hosts if host["name"] == "worker-1"]
    ca = pki.new_ca("registry")
    served = ca.issue(pki.Subject("registry", names=(address,), server=True, client=False))
    (folder / "tls.crt").write_text(served.cert_pem)
    (folder / "tls.key").write_text(served.key_pem.reveal())
    _image(folder)
    _build("registry", folder / "registry")
    podman("cp", str(folder), f"{container}:/tmp/registry")
    found = Mirror(example, container, address, ca.cert_pem)
    found.admit("robot:first")
    at = "/tmp/registry"
    files = [f"--certificate={at}/tls.crt", f"--key={at}/tls.key", f"--users={at}/users", f"--image={at}/image.tar"]
    podman("exec", "-d", container, "timeout", _SECONDS, f"{at}/registry", f"--listen=:{_PORT}", *files)
    _patch(example, [found.entry()])
    yield found
    example.kubectl(_CLUSTER, "delete", "pod", "-l", "app=pulled", "--grace-period=1")
    _patch(example, [])
    example.kubectl("manager", "-n", _NAMESPACE, "delete", "secret", _SECRET)


def _build(program: str, to: Path) -> None:
    env = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", str(to), "."], cwd=_PROGRAMS / program, env=env, check=True, timeout=300)


def _image(folder: Path) -> None:
    _build("answer", folder / "root" / "answer")
    archive.write_layer(folder / "layer.tar", [folder / "root"])
    config = archive.ImageConfig(entrypoint=("/answer",))
    archive.write_image(folder / "image.tar", "answer", "amd64", config, folder / "layer.tar")
    shutil.rmtree(folder / "root")


def _patch(example: PlatformUnderTest, registries: list[dict[str, Any]]) -> None:
    change = json.dumps({"spec": {"registries": registries}})
    example.kubectl("manager", "patch", "cluster", _CLUSTER, "--type=merge", "-p", change)


def _login(example: PlatformUnderTest, password: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET},
        "stringData": {"username": "robot", "password": password},
    }
    example.kubectl("manager", "-n", _NAMESPACE, "apply", "-f", "-", stdin=json.dumps(document).encode())


def _run(example: PlatformUnderTest, name: str) -> None:
    container = {"name": "main", "image": f"docker.io/library/{name}:1", "imagePullPolicy": "Always"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "pulled"}}}
    document = {**pod, "spec": {"containers": [container]}}
    example.kubectl(_CLUSTER, "apply", "-f", "-", stdin=json.dumps(document).encode())


def _events(example: PlatformUnderTest, pod: str) -> str:
    return example.kubectl(_CLUSTER, "describe", "pod", pod).stdout.decode()


def _pulled(example: PlatformUnderTest, pod: str) -> None:
    example.kubectl(_CLUSTER, "wait", "pod", pod, "--for=condition=Ready", "--timeout=90s")


def _node_uids(example: PlatformUnderTest) -> str:
    return example.kubectl(_CLUSTER, "get", "nodes", "-o", "jsonpath={.items[*].metadata.uid}").stdout.decode()


def test_a_login_that_is_missing_is_told(mirror: Mirror) -> None:
    """By server and Secret, with the command that makes it."""

    def told() -> bool:
        seen = mirror.platform.must("cluster", "describe", _CLUSTER).stdout
        return f"{mirror.address}:{_PORT}" in seen and _SECRET in seen and "create secret" in seen

    eventually(told, timeout_s=40, what="the cluster tells that the login is missing")


def test_a_pod_is_pulled_through_the_mirror_and_a_new_login_is_followed(mirror: Mirror) -> None:
    """The same nodes: with a login, after it stopped being right, and with the next one."""
    example, before = mirror.platform, _node_uids(mirror.platform)
    _login(example, "first")
    _run(example, "one")
    _pulled(example, "one")
    mirror.admit("robot:second")
    _run(example, "two")
    eventually(
        lambda: "docker.io/library/two:1" in (told := _events(example, "two")) and "authorization failed" in told,
        timeout_s=40,
        what="the pod's events name the registry and say that the login is wrong",
    )
    _login(example, "second")
    _pulled(example, "two")
    assert _node_uids(example) == before

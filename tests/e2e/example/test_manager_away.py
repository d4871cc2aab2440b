"""The manager's API is no part of what clusters serve: they go on without it, and keep what they had."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from installer.bundle.recipe import BuildEvent
from tests.conformance import cluster, selection, suite
from tests.conformance.run import names, run
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_AWAY_S = 60.0


def running(example: PlatformUnderTest) -> dict[str, int]:
    """Every container of every pod of both clusters, by pod and name, with how often it was started again."""
    found = {}
    for name in ("team-a", "team-b"):
        pods = json.loads(example.kubectl("manager", "-n", f"cluster-{name}", "get", "pods", "-o", "json").stdout)
        for pod in pods["items"]:
            for one in pod["status"]["containerStatuses"]:
                found[f"{pod['metadata']['uid']}/{one['name']}"] = one["restartCount"]
    return found


def managers(example: PlatformUnderTest) -> list[str]:
    return [name for name in example.containers() if "-manager-" in name]


@pytest.fixture
def without_api(example: PlatformUnderTest) -> Iterator[PlatformUnderTest]:
    """The example, whose manager has no API server until the test is over."""
    for name in ("manager", "team-a", "team-b"):
        example.kubectl(name, "version")  # their kubeconfigs come by way of the manager
    yield example
    for name in managers(example):
        podman("exec", name, "systemctl", "start", "kube-apiserver")


def test_a_hosted_cluster_conforms_while_the_managers_api_is_away(
    without_api: PlatformUnderTest, tmp_path: Path
) -> None:
    """A minute of Kubernetes' own conformance suite, of each part what is quick; afterwards no pod was made anew.

    The whole suite is `make conformance`.
    """
    example = without_api
    built = suite.build(tmp_path / "programs", _tell)
    wanted = selection.select(names(built.listed), "short")
    cluster.bring(example, "team-a", built.images)
    before = running(example)
    with cluster.judged(example, "team-a", tmp_path / "report") as target, ThreadPoolExecutor(1) as pool:
        for name in managers(example):
            podman("exec", name, "systemctl", "stop", "kube-apiserver")
        started = time.monotonic()
        judged = pool.submit(run, built, target, wanted, at_once=5)
        while not judged.done() or time.monotonic() - started < _AWAY_S:
            assert example.kubectl("team-b", "get", "--raw", "/readyz").stdout == b"ok"
            time.sleep(2)
    assert [f"{one.name}: {one.why}" for one in judged.result().failed] == []
    assert example.kubectl("manager", "get", "--raw", "/readyz", check=False).returncode != 0
    for name in managers(example):
        podman("exec", name, "systemctl", "start", "kube-apiserver")
    words = ("wait", "--for=condition=Ready", "clusters", "--all", "--timeout=5s")
    eventually(
        lambda: example.kubectl("manager", *words, check=False).returncode == 0, timeout_s=90, what="clusters are ready"
    )
    time.sleep(10)  # what would be evicted would be so by now: pods leave a host that is lost after five seconds
    assert running(example) == before


def _tell(event: BuildEvent) -> None:
    if event.kind == "started":  # building takes minutes, the first time
        sys.stderr.write(f"[{event.number}/{event.of}] {event.title}\n")


def test_a_second_controller_waits(example: PlatformUnderTest) -> None:
    """Whoever makes one, it does nothing while the first works."""
    eventually(lambda: holder(example) in controllers(example), timeout_s=60, what="a controller has the lease")
    [first] = controllers(example)
    pod = json.loads(example.kubectl("manager", "-n", "moorage-system", "get", "pod", first, "-o", "json").stdout)
    meta = {"name": "second", "namespace": "moorage-system"}
    second = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod["spec"]}
    example.kubectl("manager", "create", "-f", "-", stdin=json.dumps(second).encode())
    try:

        def waits() -> bool:
            words = ("-n", "moorage-system", "logs", "second")
            return f"waiting: {first} works".encode() in example.kubectl("manager", *words, check=False).stdout

        eventually(waits, timeout_s=60, what="the second controller says that it waits")
        assert holder(example) == first
    finally:
        example.kubectl("manager", "-n", "moorage-system", "delete", "pod", "second", "--grace-period=0", "--force")


def holder(example: PlatformUnderTest) -> str:
    """Who has the controller's lease."""
    words = ("-n", "moorage-system", "get", "lease", "moorage-controller", "-o", "jsonpath={.spec.holderIdentity}")
    return example.kubectl("manager", *words, check=False).stdout.decode()


def controllers(example: PlatformUnderTest) -> list[str]:
    """Names of the Deployment's pods."""
    words = ("-n", "moorage-system", "get", "pods", "-l", "app=moorage-controller", "-o", "name")
    return [name.partition("/")[2] for name in example.kubectl("manager", *words).stdout.decode().split()]

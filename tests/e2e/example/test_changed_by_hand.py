"""Secrets deleted and resource definitions edited by hand: what can be made again is, what cannot be is refused."""

from __future__ import annotations

from tests.e2e.platform_under_test import PlatformUnderTest, eventually

_NAMESPACE = "cluster-team-b"
_FIELD = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/pools"


def test_secrets_of_a_cluster_come_back(example: PlatformUnderTest) -> None:
    """The roots are the same ones, put back by the controller that knows them; no node is replaced."""

    def secret(name: str) -> str:
        words = ("-n", _NAMESPACE, "get", "secret", name, "-o", "jsonpath={.data.kubernetes-ca\\.crt}")
        done = example.kubectl("manager", *words, check=False)
        return done.stdout.decode() if done.returncode == 0 else "gone"

    example.must("cluster", "kubeconfig", "team-b")
    before = example.kubectl("team-b", "get", "nodes", "-o", "name").stdout
    roots = secret("roots")
    node = before.decode().split()[0].removeprefix("node/")
    names = ("roots", "control-plane", "admin-kubeconfig", node)
    example.kubectl("manager", "-n", _NAMESPACE, "delete", "secret", *names)
    eventually(
        lambda: "gone" not in {secret(name) for name in names}, timeout_s=100, what=f"{', '.join(names)} are back"
    )
    assert secret("roots") == roots
    assert example.kubectl("team-b", "get", "nodes", "-o", "name").stdout == before


def test_a_resource_definition_cannot_lose_a_field(example: PlatformUnderTest) -> None:
    """Not even by the manager's administrator: every cluster would lose its pools, and the controller follow."""
    change = f'[{{"op": "remove", "path": "{_FIELD}"}}]'
    words = ("patch", "crd", "clusters.moorage.dev", "--type=json", "-p", change)
    done = example.kubectl("manager", *words, check=False)
    assert done.returncode != 0
    assert b"moorage up" in done.stderr
    assert example.kubectl("manager", "delete", "crd", "clusters.moorage.dev", check=False).returncode != 0

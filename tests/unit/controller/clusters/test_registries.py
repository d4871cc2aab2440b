"""Registries of a cluster reach its node pods, and a login that is missing is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from lightkube.resources.core_v1 import Pod

from installer.controller.clusters.registries import Registries
from installer.core.secret import Secret
from tests.unit.kubernetes import fixed

CLUSTER = fixed.cluster(registries=[{"name": "images.example", "credentials": {"secret": "login"}}])
LOGIN = {"username": Secret("robot"), "password": Secret("first")}


class Namespace:
    """Secrets and one node pod of a cluster's namespace; says which digest the pod was told."""

    def __init__(self, **secrets: Mapping[str, Secret]) -> None:
        self.secrets = secrets
        self.told: list[str] = []
        self.written: list[Mapping[str, Any]] = []
        self.client = SimpleNamespace(patch=self._patch)

    def secret(self, name: str, namespace: str) -> Mapping[str, Secret]:
        assert namespace == "cluster-team-a"
        return self.secrets.get(name, {})

    def apply(self, wanted: Iterable[Mapping[str, Any]]) -> None:
        self.written += wanted

    def list(self, kind: type, namespace: str, labels: Mapping[str, str]) -> list[Pod]:
        annotations = {"moorage.dev/registries": self.told[-1]} if self.told else {}
        return [Pod.from_dict({"metadata": {"name": "general-1", "annotations": annotations}})]

    def _patch(self, kind: type, name: str, change: dict[str, Any], **_: Any) -> None:
        self.told.append(change["metadata"]["annotations"]["moorage.dev/registries"])


def registries(namespace: Namespace) -> Registries:
    return Registries("team-a", namespace)  # type: ignore[arg-type]


def test_a_changed_login_is_told_to_nodes_once() -> None:
    """Their kubelet looks at the Secret then; one who is restarted tells nothing that they know."""
    namespace = Namespace(login=LOGIN)
    kept = registries(namespace)
    for _ in range(2):
        condition = kept.keep(CLUSTER)
        assert condition is not None
        assert condition.ok
    namespace.secrets["login"] = LOGIN | {"password": Secret("second")}
    kept.keep(CLUSTER)
    registries(namespace).keep(CLUSTER)
    assert len(set(namespace.told)) == len(namespace.told) == 2


def test_a_login_that_is_missing_is_told() -> None:
    """By server and Secret; the rest is written all the same."""
    namespace = Namespace(login={"username": Secret("robot")})
    condition = registries(namespace).keep(CLUSTER)
    assert condition is not None
    assert (condition.ok, condition.reason) == (False, "LoginMissing")
    assert "images.example: Secret login in namespace cluster-team-a" in condition.message
    assert [sorted(one["data"]) for one in namespace.written] == [["images.example.toml"]]


def test_without_registries_there_is_nothing_to_tell() -> None:
    """But the Secret is there, since node pods mount it."""
    namespace = Namespace()
    assert registries(namespace).keep(fixed.cluster()) is None
    assert namespace.told == []
    assert [one["metadata"]["name"] for one in namespace.written] == ["registries"]

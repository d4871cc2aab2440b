"""Root secrets are made once; what is gone is put back while it is known, and missed otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from installer.controller.clusters.authorities import Authorities, Do, LostError, decide, fingerprint
from installer.core.secret import Secret
from installer.kubernetes import documents
from installer.kubernetes.roots import Roots
from tests.unit.kubernetes import fixed

ROOTS = Roots.generate("team-a")


@pytest.mark.parametrize(
    ("found", "known", "noted", "began", "does"),
    [
        ("", None, "", False, Do.MAKE),  # a new cluster
        ("", None, "", True, Do.MISS),  # its status was lost, too
        ("", None, "a", False, Do.MISS),
        ("", "a", "a", True, Do.PUT_BACK),
        ("", "a", "", False, Do.PUT_BACK),  # made a moment ago
        ("a", None, "", False, Do.USE),  # a pass ended before it noted them
        ("a", None, "a", True, Do.USE),
        ("a", "a", "a", True, Do.USE),
        ("b", None, "a", True, Do.DOUBT),
        ("b", "a", "", True, Do.DOUBT),
        ("ba", "a", "a", True, Do.USE),  # b issues since a moment ago
        ("ba", None, "b", True, Do.USE),
        ("ba", None, "c", True, Do.DOUBT),
    ],
)
def test_what_to_do(*, found: str, known: str | None, noted: str, began: bool, does: Do) -> None:
    """New ones are made only where there never were any."""
    assert decide(found=found, known=known, noted=noted, began=began) is does


class Namespace:
    """The Secrets of a cluster's namespace."""

    def __init__(self, *, deployed: bool = False) -> None:
        self.secrets: dict[str, dict[str, Secret]] = {}
        self.deployed = deployed

    def secret(self, name: str, namespace: str) -> dict[str, Secret]:
        assert namespace == "cluster-team-a"
        return self.secrets.get(name, {})

    def secret_once(self, wanted: Mapping[str, Any]) -> dict[str, Secret]:
        return self.secrets.setdefault(wanted["metadata"]["name"], documents.entries(wanted["data"]))

    def get(self, kind: type, name: str, namespace: str) -> object | None:
        return object() if self.deployed else None


def authorities(namespace: Namespace) -> Authorities:
    return Authorities("team-a", namespace, fixed.settings())  # type: ignore[arg-type]


def test_roots_are_made_once_and_put_back() -> None:
    """The same ones, with an event; the next pass has nothing to tell."""
    namespace = Namespace()
    kept = authorities(namespace)
    made, happened = kept.keep("")
    assert not happened
    del namespace.secrets["roots"]
    again, happened = kept.keep(fingerprint(made))
    assert again == made
    assert [one.reason for one in happened] == ["RootsRestored"]
    assert kept.keep(fingerprint(made)) == (made, [])


@pytest.mark.parametrize(
    ("entries", "noted", "reason"),
    [
        ({}, "SHA-256 AA", "RootsMissing"),
        ({"kubernetes-ca.crt": Secret("")}, "", "RootsDamaged"),
        ({**ROOTS.to_mapping(), "kubernetes-ca.crt": Secret("no certificate")}, "", "RootsDamaged"),
        (ROOTS.to_mapping(), "SHA-256 AA", "RootsReplaced"),
    ],
)
def test_a_new_controller_makes_none_for_a_cluster_that_had_some(
    entries: dict[str, Secret], noted: str, reason: str
) -> None:
    """It says which Secret to restore, and writes nothing."""
    namespace = Namespace(deployed=True)
    namespace.secrets["roots"] = dict(entries)
    with pytest.raises(LostError) as caught:
        authorities(namespace).keep(noted)
    assert caught.value.condition.reason == reason
    assert "Secret roots in namespace cluster-team-a" in caught.value.condition.message
    assert namespace.secrets["roots"] == entries


def test_restored_roots_are_used_again() -> None:
    """All goes on by itself."""
    namespace, roots = Namespace(deployed=True), ROOTS
    kept = authorities(namespace)
    with pytest.raises(LostError):
        kept.keep(fingerprint(roots))
    namespace.secrets["roots"] = roots.to_mapping()
    assert kept.keep(fingerprint(roots)) == (Roots.from_mapping(roots.to_mapping()), [])

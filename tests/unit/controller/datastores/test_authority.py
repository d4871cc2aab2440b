"""A datastore's authority is made once; what is gone is put back while it is known, and missed otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from installer.controller.datastores.reconciler import DatastoreReconciler
from installer.core.errors import KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import documents
from tests.unit.kubernetes import fixed


class Namespace:
    """The Secrets of the datastores' namespace."""

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Secret]] = {}

    def secret(self, name: str, namespace: str) -> dict[str, Secret]:
        return self.secrets.get(name, {})

    def secret_once(self, wanted: Mapping[str, Any]) -> dict[str, Secret]:
        return self.secrets.setdefault(wanted["metadata"]["name"], documents.entries(wanted["data"]))


def reconciler(namespace: Namespace, tmp_path: Path) -> DatastoreReconciler:
    return DatastoreReconciler("shared", namespace, fixed.settings(), tmp_path)  # type: ignore[arg-type]


def test_it_is_made_once_and_put_back(tmp_path: Path) -> None:
    """The same one, by a controller that knows it."""
    namespace = Namespace()
    found = reconciler(namespace, tmp_path)
    made = found.authority(founded=False)
    namespace.secrets.clear()
    assert found.authority(founded=True) == made
    assert reconciler(namespace, tmp_path).authority(founded=True) == made


def test_none_is_made_for_a_datastore_that_served(tmp_path: Path) -> None:
    """The error names the Secret to restore."""
    namespace = Namespace()
    with pytest.raises(KubernetesError, match=r"Secret \S*shared\S* in namespace \S+ is gone"):
        reconciler(namespace, tmp_path).authority(founded=True)
    assert namespace.secrets == {}


def test_another_one_is_not_taken(tmp_path: Path) -> None:
    """Its members would be shut out."""
    namespace, other = Namespace(), Namespace()
    found = reconciler(namespace, tmp_path)
    found.authority(founded=False)
    reconciler(other, tmp_path).authority(founded=False)
    namespace.secrets = other.secrets
    with pytest.raises(KubernetesError, match="another authority"):
        found.authority(founded=True)

"""An API as the controller uses it: apply what differs from what was applied last, read what may be missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from lightkube import ApiError, Client, codecs
from lightkube.resources.core_v1 import Secret as SecretResource
from lightkube.types import PatchType

from installer.core.errors import KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import client as kubernetes
from installer.kubernetes import documents

T = TypeVar("T")
FIELD_MANAGER = "moorage-controller"
_CONFLICT = 409
# What somebody else changed in an object of ours is taken back after so long, even when ours has not changed.
_RESYNC_S = 300.0


class Api:
    """One API server's objects. Safe for use by several threads."""

    def __init__(self, client: Client, *, now: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self._now = now
        self._applied: dict[tuple[str, str, str], tuple[str, float]] = {}

    def apply(self, wanted: Iterable[Mapping[str, Any]]) -> bool:
        """Apply each document that is another than when it was last applied here, or was applied long ago.

        Returns whether there was such a one.
        """
        applied = False
        for document in wanted:
            meta = document["metadata"]
            key = (document["kind"], meta.get("namespace", ""), meta["name"])
            found = documents.digest(document)
            last, when = self._applied.get(key, ("", 0.0))
            if last == found and self._now() - when < _RESYNC_S:
                continue
            kubernetes.apply(self.client, [document], field_manager=FIELD_MANAGER)
            self._applied[key] = (found, self._now())
            applied = True
        return applied

    def forget(self) -> None:
        """Apply everything again."""
        self._applied.clear()

    def get(self, kind: type[T], name: str, namespace: str | None = None) -> T | None:
        """An object, or None when it is not there."""
        return kubernetes.found_or_none(lambda: self.client.get(kind, name, namespace=namespace))  # type: ignore[type-var]

    def list(self, kind: type[T], namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[T]:
        """Objects of a kind."""
        with kubernetes.translated(f"list {kind.__name__}"):
            return list(self.client.list(kind, namespace=namespace, labels=dict(labels or {})))  # type: ignore[type-var]

    def secret(self, name: str, namespace: str) -> dict[str, Secret]:
        """The entries of a Secret; none when it is not there."""
        found = self.get(SecretResource, name, namespace)
        return documents.entries(found.data) if found is not None else {}

    def secret_once(self, wanted: Mapping[str, Any]) -> dict[str, Secret]:
        """Make a Secret unless there is one already; returns the entries of the one that is there."""
        meta = wanted["metadata"]
        if found := self.secret(meta["name"], meta["namespace"]):
            return found
        try:
            with kubernetes.translated(f"make Secret {meta['name']}"):
                self.client.create(codecs.from_dict(dict(wanted)))
        except KubernetesError as exc:
            if not (isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == _CONFLICT):
                raise
        return self.secret(meta["name"], meta["namespace"])

    def patch(self, kind: type[Any], name: str, namespace: str | None, change: Mapping[str, Any]) -> None:
        """Merge a change into an object. What is applied of it next takes that back."""
        self._applied.pop((kind.__name__, namespace or "", name), None)
        with kubernetes.translated(f"change {kind.__name__} {name}"):
            self.client.patch(kind, name, dict(change), namespace=namespace, patch_type=PatchType.MERGE)

    def patch_status(self, kind: type[Any], name: str, change: Mapping[str, Any]) -> None:
        """Merge a change into the status of a resource that is in no namespace."""
        with kubernetes.translated(f"write the status of {kind.__name__} {name}"):
            self.client.patch(kind.Status, name, {"status": dict(change)}, patch_type=PatchType.MERGE)

    def delete(self, kind: type[Any], name: str, namespace: str | None = None, *, grace_s: int | None = None) -> None:
        """Delete an object; nothing happens when it is not there. Applied again, it is made anew."""
        self._applied.pop((kind.__name__, namespace or "", name), None)
        kubernetes.found_or_none(lambda: self.client.delete(kind, name, namespace=namespace, grace_period=grace_s))


def is_ready(node: Any) -> bool:
    """Whether a Node (of the manager or of a tenant) says that it is ready."""
    conditions = (node.status.conditions or ()) if node.status else ()
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def is_complete(deployment: Any) -> bool:
    """Whether all pods of a Deployment (lightkube) are ready, and none was made before what it says now."""
    status, wanted = deployment.status, deployment.spec.replicas
    return bool(
        status
        and status.observedGeneration == meta_of(deployment).generation
        and wanted == status.replicas == status.updatedReplicas == status.readyReplicas
    )


def meta_of(found: Any) -> Any:
    """An object's metadata; what an API server hands out always has it."""
    if found.metadata is None:
        raise KubernetesError(f"the API server answered with a {type(found).__name__} without metadata")
    return found.metadata

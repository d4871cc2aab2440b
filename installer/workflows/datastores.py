"""Datastores through the manager's API, as `status` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from installer.kubernetes import client
from installer.kubernetes.client import DatastoreResource
from installer.workflows.session import Session


@dataclass(frozen=True, kw_only=True)
class DatastoreInfo:
    """A datastore as its resource tells."""

    name: str
    phase: str
    members: str  # that are well of all, e.g. 3/3
    size: str  # of its largest member's file
    quota: str
    used_by: tuple[str, ...]
    problem: str  # empty: all is well


def list_(session: Session) -> tuple[DatastoreInfo, ...]:
    """All datastores by name."""
    with client.translated("list datastores"):
        found = [info(resource.to_dict()) for resource in session.api.list(DatastoreResource)]
    return tuple(sorted(found, key=lambda one: one.name))


def info(resource: Mapping[str, Any]) -> DatastoreInfo:
    """A datastore's resource as we show it."""
    status = resource.get("status") or {}
    ready: Mapping[str, str] = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    return DatastoreInfo(
        name=resource["metadata"]["name"],
        phase=status.get("phase", "Pending"),
        members=status.get("summary", ""),
        size=status.get("size", ""),
        quota=(resource.get("spec") or {}).get("quota", ""),
        used_by=tuple(status.get("usedBy") or ()),
        problem=""
        if ready.get("status") == "True"
        else ready.get("message") or "the controller has not looked at it yet",
    )

"""Events of our own resources, such that `kubectl describe` finds them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lightkube import codecs

from installer.controller.manager_api import FIELD_MANAGER, Api
from installer.controller.status import Happened
from installer.kubernetes import client
from installer.kubernetes.documents import Document

_LONGEST: Final = 1024  # characters of a message that the API server takes
_CUT: Final = "..."


def tell(
    api: Api, kind: str, metadata: Mapping[str, Any], happened: Happened, *, api_version: str = "moorage.dev/v1"
) -> None:
    """Post an event of the resource that has this metadata, one of ours by default; raises KubernetesError."""
    made = document(
        kind, metadata, happened, moment=datetime.now(UTC), suffix=secrets.token_hex(5), api_version=api_version
    )
    with client.translated(f"tell what happened to {kind} {metadata['name']}"):
        api.client.create(codecs.from_dict(made))


def document(
    kind: str,
    metadata: Mapping[str, Any],
    happened: Happened,
    *,
    moment: datetime,
    suffix: str,
    api_version: str = "moorage.dev/v1",
) -> Document:
    """The event. Those of objects without a namespace are in `default`, and name no namespace: so kubectl looks."""
    time = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    message = happened.message
    space = {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": "default", **space},
        "involvedObject": {
            "apiVersion": api_version,
            "kind": kind,
            **space,
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "type": "Warning" if happened.warning else "Normal",
        "reason": happened.reason,
        "message": message if len(message) <= _LONGEST else message[: _LONGEST - len(_CUT)] + _CUT,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }

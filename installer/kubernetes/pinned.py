"""Pods of the manager that belong to one host: they work on its disk, with the programs of the release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from installer.core import layout
from installer.kubernetes import documents
from installer.kubernetes.documents import Document
from installer.kubernetes.settings import PlatformSettings


def on(host: str) -> dict[str, Any]:
    """What the specifications of such pods have in common: they leave their host for nothing."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/hostname": host},
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }


def host_command(*words: str) -> tuple[str, ...]:
    """`moorage-host WORDS`: pods have no shell."""
    return (f"{layout.CURRENT}/{layout.BIN}/moorage-host", *words)


def container(
    name: str,
    command: Sequence[str],
    settings: PlatformSettings,
    *,
    mounts: Sequence[Document],
    capabilities: Sequence[str] = (),
) -> dict[str, Any]:
    """A container that runs as root without its powers, but for `capabilities`; its pod has the release as a volume."""
    return {
        "name": name,
        "image": settings.images["pause"],
        "imagePullPolicy": "Never",
        "command": list(command),
        "terminationMessagePolicy": "FallbackToLogsOnError",  # the controller tells why it ended
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
        },
        "volumeMounts": [*documents.mounts([("release", layout.CURRENT)]), *mounts],
    }

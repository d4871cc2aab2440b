"""APIs that were asked for although a later version of Kubernetes has them no more, as API servers count them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from installer.core.errors import InstallerError
from installer.core.secret import Secret
from installer.core.version import Version
from installer.kubernetes import client, pki
from installer.transport.fleet import fan_out
from installer.workflows import clusters
from installer.workflows.session import Session

# https://kubernetes.io/docs/reference/using-api/deprecation-policy/: a gauge for each API that was asked for.
_METRIC: Final = re.compile(r"^apiserver_requested_deprecated_apis\{(.*)\} 1", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
MANAGER: Final = clusters.MANAGER


@dataclass(frozen=True, order=True)
class Used:
    """An API that somebody asks for. `removed`: the minor version without it, such as 1.38; empty: not decided."""

    api: str
    removed: str


def look(session: Session) -> Mapping[str, tuple[Used, ...]]:
    """By cluster, and for the manager; clusters that do not answer are left out, others tell of them."""
    names = [one.name for one in clusters.list_(session) if one.ready]
    found = fan_out((MANAGER, *names), lambda name: used(_metrics(clusters.kubeconfig(session, name).reveal())))
    return {name: answer for name, answer in found.items() if not isinstance(answer, InstallerError)}


def used(metrics: str) -> tuple[Used, ...]:
    """What metrics of an API server in text form tell."""
    found = [dict(_LABEL.findall(match)) for match in _METRIC.findall(metrics)]
    return tuple(sorted({Used(_api(labels), labels.get("removed_release", "")) for labels in found}))


def gone(found: Iterable[Used], version: str) -> tuple[Used, ...]:
    """Those that a version of Kubernetes has no more."""
    line = Version.parse(version).line
    return tuple(one for one in found if one.removed and Version.parse(one.removed).line <= line)


def _api(labels: Mapping[str, str]) -> str:
    group = f"{labels['group']}/" if labels.get("group") else ""
    return f"{labels.get('resource', '')} of {group}{labels.get('version', '')}"


def _metrics(kubeconfig: str) -> str:
    config = yaml.safe_load(kubeconfig)
    found, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    credential = pki.Credential(_text(user["client-certificate-data"]), Secret(_text(user["client-key-data"])))
    ca_pem = _text(found["certificate-authority-data"])
    return client.metrics(found["server"], ca_pem=ca_pem, credential=credential)


def _text(data: str) -> str:
    return base64.b64decode(data).decode()

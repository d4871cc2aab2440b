"""Kubeconfig files, as data and as YAML (JSON is YAML, and needs no library)."""

from __future__ import annotations

import base64
import json
from typing import Any

from installer.core.secret import Secret
from installer.kubernetes.pki import Credential


def by_files(*, server: str, ca_file: str, cert_file: str, key_file: str, user: str) -> str:
    """A kubeconfig that names files beside it, so that renewing a certificate leaves it as it is."""
    return _render(
        "default",
        user,
        {"server": server, "certificate-authority": ca_file},
        {"client-certificate": cert_file, "client-key": key_file},
    )


def embedded(*, server: str, ca_pem: str, credential: Credential, context: str, user: str) -> Secret:
    """A kubeconfig that carries everything, to hand out."""
    return Secret(
        _render(
            context,
            user,
            {"server": server, "certificate-authority-data": _b64(ca_pem)},
            {
                "client-certificate-data": _b64(credential.cert_pem),
                "client-key-data": _b64(credential.key_pem.reveal()),
            },
        )
    )


def server_of(config: Secret) -> str:
    """The URL that a kubeconfig of ours names."""
    return str(json.loads(config.reveal())["clusters"][0]["cluster"]["server"])


def certificate_of(config: Secret) -> str:
    """The client certificate, PEM, in a kubeconfig that carries one; empty where it was not made by us."""
    return _carried(config, "users", "user", "client-certificate-data")


def authority_of(config: Secret) -> str:
    """The authorities, PEM, by which its server is trusted; empty where it was not made by us."""
    return _carried(config, "clusters", "cluster", "certificate-authority-data")


def _carried(config: Secret, *place: str) -> str:
    several, one, key = place
    try:
        return base64.b64decode(json.loads(config.reveal())[several][0][one][key]).decode()
    except (ValueError, LookupError, TypeError):
        return ""


def with_server(config: Secret, server: str) -> Secret:
    """The same access at another address of the same API."""
    document = json.loads(config.reveal())
    document["clusters"][0]["cluster"]["server"] = server
    return Secret(json.dumps(document, indent=2) + "\n")


def _render(context: str, user: str, cluster: dict[str, Any], credentials: dict[str, Any]) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    return json.dumps(document, indent=2) + "\n"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

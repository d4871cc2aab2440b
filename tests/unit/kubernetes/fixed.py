"""Inputs of golden files: nothing in them is random, and no certificate is issued."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from installer.core.secret import Secret
from installer.kubernetes.pki import CertificateAuthority
from installer.kubernetes.rendering import Rendered
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster


def roots() -> Roots:
    """Authorities whose certificates are only words."""
    return Roots(
        authorities={
            kind: CertificateAuthority(f"certificate of the {kind} authority\n", Secret(f"key of {kind}"))
            for kind in ("kubernetes", "etcd", "front-proxy")
        },
        service_account_key=Secret(_signing_key()),
        encryption_key=Secret("c2VjcmV0"),
    )


def _signing_key() -> str:
    """A key that opens nothing: rendering takes its public half, and golden files must not change from run to run."""
    key = ec.derive_private_key(0x33, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def settings(**changed: Any) -> PlatformSettings:
    """A platform of three managers and two workers."""
    values: dict[str, Any] = {
        "platform": "harbor",
        "release": "2026.11",
        "bundle": "b" * 64,
        "images": {name: f"moorage.local/{name}:1" for name in ("pause", "node", "controller")},
        "speaker": "5" * 64,
        "manager_version": "1.37.2",
        "versions": ("1.36.3", "1.37.2"),
        "pods": IPv4Network("10.128.0.0/14"),
        "services": IPv4Network("10.127.0.0/16"),
        "domain": "manager.local",
        "managers": 3,
        "workers": 2,
        "endpoints": ("192.0.2.11", "192.0.2.21"),
        "cgroup_version": 2,
        "pod_mtu": 1450,
        "certificate_days": 365,
        "authority_days": 3650,
        "authorities": "a" * 16,
    }
    return PlatformSettings(**{**values, **changed})


def cluster(**spec: Any) -> Cluster:
    """A cluster of two nodes."""
    pools = [{"name": "general", "kind": "shared", "count": 2, "cpu": "1", "memory": "2Gi"}]
    return Cluster.model_validate(
        {
            "apiVersion": "moorage.dev/v1",
            "kind": "Cluster",
            "metadata": {"name": "team-a"},
            "spec": {"version": "1.36.3", "pools": pools, **spec},
        }
    )


def shown(rendered: Rendered) -> str:
    """Everything of it as text, in a fixed order; secrets are only named."""
    lines = []
    for process in rendered.processes:
        lines += [f"=== process {process.name}", *process.argv, *(f"{k}={v}" for k, v in sorted(process.env.items()))]
        lines += [f"reads {path}" for path in process.reads]
    for path, content in sorted(rendered.files.items()):
        lines += [f"=== file {path}", "(secret)" if isinstance(content, Secret) else content.rstrip("\n")]
    for path, request in sorted(rendered.certificates.items()):
        lines += [f"=== certificate {path}", f"{request.authority}: {request.subject}"]
    lines += [f"=== directory {path}" for path in sorted(rendered.directories)]
    return "\n".join(lines) + "\n"


def documents_shown(documents: list[dict[str, Any]]) -> str:
    """Kubernetes documents as text; entries of Secrets are only named."""
    hidden = [
        {**document, "data": sorted(document["data"])} if document["kind"] == "Secret" else document
        for document in documents
    ]
    return json.dumps(hidden, indent=2) + "\n"

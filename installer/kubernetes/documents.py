"""Small parts that every rendered Kubernetes document is made of."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from installer.core.secret import Secret
from installer.kubernetes.pki import Credential

Document = dict[str, Any]
Files = Mapping[str, str | Secret]  # name -> content, as a Secret holds them


def secret(
    name: str, namespace: str, files: Mapping[str, str | Secret], *, labels: Mapping[str, str] | None = None
) -> Document:
    """A Secret with these entries."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, **({"labels": dict(labels)} if labels else {})},
        "type": "Opaque",
        "data": {key: base64.b64encode(_text(value).encode()).decode() for key, value in files.items()},
    }


def entries(data: Mapping[str, str] | None) -> dict[str, Secret]:
    """The entries of a Secret's `data`, decoded."""
    return {key: Secret(base64.b64decode(value).decode()) for key, value in (data or {}).items()}


def below(directory: str, files: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """The files right below `directory`, by their names there: how a Secret mounted at `directory` holds them."""
    prefix = f"{directory}/"
    return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


def credential_files(directory: str, credentials: Mapping[str, Credential]) -> dict[str, str | Secret]:
    """Certificates and keys by file name, as a Secret mounted at `directory` holds them."""
    found: dict[str, str | Secret] = {}
    for stem, credential in credentials.items():
        name = stem.removeprefix(f"{directory}/")
        found |= {f"{name}.crt": credential.cert_pem, f"{name}.key": credential.key_pem}
    return found


def certificates(directory: str, files: Mapping[str, Secret]) -> dict[str, str]:
    """The inverse of `credential_files`, without the keys: path stem -> certificate, where its key is there, too."""
    stems = [name.removesuffix(".crt") for name in files if name.endswith(".crt")]
    return {f"{directory}/{stem}": files[f"{stem}.crt"].reveal() for stem in stems if f"{stem}.key" in files}


def digest(*parts: object) -> str:
    """A short digest of parts that JSON can tell, secrets included."""
    text = json.dumps(parts, sort_keys=True, default=_revealed)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def environment(env: Mapping[str, str]) -> list[Document]:
    """Environment variables of a container."""
    return [{"name": name, "value": value} for name, value in sorted(env.items())]


def mounts(pairs: Iterable[tuple[str, str]], *, read_only: bool = True) -> list[Document]:
    """Volume mounts from names and paths."""
    return [{"name": name, "mountPath": path, "readOnly": read_only} for name, path in pairs]


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"cannot take the digest of {type(value).__name__}")

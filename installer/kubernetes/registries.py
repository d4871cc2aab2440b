"""Registries as containerd reads them, a `hosts.toml` for each, in one Secret that a cluster's node pods share.

https://github.com/containerd/containerd/blob/main/docs/hosts.md
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from installer.core import layout
from installer.core.secret import Secret
from installer.spec.registries import EVERY, Endpoint, Registry

NAME: Final = "registries"  # of the Secret, and of its volume
MOUNT: Final = f"{layout.CONFIG}/registries"  # the Secret: flat, as Secrets are
DIRECTORY: Final = "/run/moorage/registries"  # what containerd reads: a directory a registry, with links to the Secret
FILE: Final = "hosts.toml"  # in each of them
SUFFIX: Final = ".toml"


@dataclass(frozen=True)
class Login:
    """A user of a registry."""

    username: str
    password: Secret

    @classmethod
    def of(cls, entries: Mapping[str, Secret]) -> Login | None:
        """What a Secret of type kubernetes.io/basic-auth says; None where it says too little."""
        if not all(entries.get(key) and entries[key].reveal() for key in ("username", "password")):
            return None
        return cls(entries["username"].reveal(), entries["password"])


def files(registries: Iterable[Registry], logins: Mapping[str, Login]) -> dict[str, str | Secret]:
    """The Secret's entries; `logins` by the name of their Secret. A login that is missing is left out."""
    found: dict[str, str | Secret] = {}
    for registry in registries:
        for endpoint in (registry, *registry.mirrors):
            found |= {_ca_file(endpoint.ca): endpoint.ca} if endpoint.ca else {}
        found[f"{_directory(registry.name)}{SUFFIX}"] = Secret(_hosts(registry, logins))
    return found


def _hosts(registry: Registry, logins: Mapping[str, Login]) -> str:
    """What containerd tries, in order; its last resort is the server at the top, which has no table of its own."""
    mirrors = list(registry.mirrors)
    last = None if registry.upstream else mirrors.pop()
    parts = []
    if last is not None:
        parts.append(f"server = {_quoted(last.url)}\n")
        # A mirror is not told to push, and nodes do not.
    parts += _endpoint(last or registry, logins, "")
    for mirror in mirrors:
        table = f"host.{_quoted(mirror.url)}"
        parts += [f'\n[{table}]\ncapabilities = ["pull", "resolve"]\n', *_endpoint(mirror, logins, f"{table}.")]
    return "".join(parts)


def _endpoint(endpoint: Endpoint, logins: Mapping[str, Login], table: str) -> Iterator[str]:
    if endpoint.ca:
        yield f"ca = {_quoted(f'{MOUNT}/{_ca_file(endpoint.ca)}')}\n"
    login = logins.get(endpoint.credentials.secret) if endpoint.credentials else None
    if login is not None:
        pair = base64.b64encode(f"{login.username}:{login.password.reveal()}".encode()).decode()
        # containerd shows it to this server, and to the token service that this server names.
        yield f"[{table}header]\nAuthorization = {_quoted(f'Basic {pair}')}\n"


def _directory(registry: str) -> str:
    """The directory in which containerd looks for a registry first."""
    host, colon, port = registry.partition(":")
    return "_default" if registry == EVERY else f"{host}_{port}_" if colon else host


def _ca_file(ca: str) -> str:
    return f"{hashlib.sha256(ca.encode()).hexdigest()[:16]}.crt"


def _quoted(text: str) -> str:
    """A TOML basic string; those of JSON are."""
    return json.dumps(text)

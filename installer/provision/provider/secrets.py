"""`moorage:platform:Secrets`: a platform's root secrets, made once and kept in the state alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from installer.core.secret import Secret
from installer.kubernetes.roots import Roots
from installer.provision.provider.resource import Made, Properties


@dataclass(frozen=True)
class PlatformSecrets:
    """Inputs: `platform`. Outputs: `values`, the flat names and values of `Roots` and of an SSH key pair."""

    required: frozenset[str] = frozenset({"platform"})
    optional: frozenset[str] = frozenset()
    replaced_by: frozenset[str] = frozenset({"platform"})
    secret_outputs: frozenset[str] = frozenset({"values"})
    only_looks: bool = False  # a new key is no preview of another new key

    def create(self, inputs: Properties) -> Made:
        private, public = new_ssh_key()
        roots = Roots.generate(inputs["platform"]).to_mapping()
        values = {
            **{name: value.reveal() for name, value in roots.items()},
            "ssh.key": private.reveal(),
            "ssh.pub": public,
        }
        return Made(f"{inputs['platform']}-{secrets.token_hex(4)}", {**inputs, "values": values})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return Made(id_, outputs)  # they are nowhere else

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        return Made(id_, {**outputs, **inputs})

    def delete(self, id_: str, outputs: Properties) -> None:
        """They end with the state."""


def new_ssh_key() -> tuple[Secret, str]:
    """A private key in OpenSSH's form, and its public half as one line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return Secret(private), key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def public_key_of(private: Path) -> str:
    """The public half of a private key in OpenSSH's form, as one line."""
    key = load_ssh_private_key(private.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

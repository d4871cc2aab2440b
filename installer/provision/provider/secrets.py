"""`moorage:platform:Secrets`: a platform's root secrets, made once and kept in the state alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.kubernetes import pki, rotation
from installer.kubernetes.roots import Roots, Stage
from installer.provision.provider.resource import Made, Properties

_SSH_KEY: Final = "ssh.key"
_SSH_PUBLIC: Final = "ssh.pub"


@dataclass(frozen=True)
class PlatformSecrets:
    """Inputs: `platform`; `authorityDays`, how long authorities live that are made; `stage`, which the authorities are
    in or enter from the one before. Outputs: `values`, the flat names and values of `Roots` and of an SSH key pair."""

    required: frozenset[str] = frozenset({"platform"})
    optional: frozenset[str] = frozenset({"authorityDays", "stage"})
    replaced_by: frozenset[str] = frozenset({"platform"})
    secret_outputs: frozenset[str] = frozenset({"values"})
    only_looks: bool = False  # a new key is no preview of another new key

    def create(self, inputs: Properties) -> Made:
        private, public = new_ssh_key()
        roots = Roots.generate(inputs["platform"], days=_days(inputs))
        values = {**_revealed(roots), _SSH_KEY: private.reveal(), _SSH_PUBLIC: public}
        return Made(f"{inputs['platform']}-{secrets.token_hex(4)}", {**inputs, "values": values})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return Made(id_, outputs)  # they are nowhere else

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        before = Roots.from_mapping({name: Secret(text) for name, text in outputs["values"].items()})
        stage = Stage(inputs.get("stage") or "")
        if stage is before.stage:
            return Made(id_, {**outputs, **inputs})
        if stage is not rotation.after(before.stage):
            raise InfrastructureError(
                f"authorities in stage {before.stage or 'settled'!r} do not go to {stage or 'settled'!r}",
                hint="`moorage certs rotate` takes them from one stage to the next",
            )
        ssh = {name: outputs["values"][name] for name in (_SSH_KEY, _SSH_PUBLIC)}
        values = {**_revealed(rotation.advanced(before, days=_days(inputs))), **ssh}
        return Made(id_, {**outputs, **inputs, "values": values})

    def delete(self, id_: str, outputs: Properties) -> None:
        """They end with the state."""


def _days(inputs: Properties) -> int:
    return int(inputs.get("authorityDays") or pki.CA_DAYS)


def _revealed(roots: Roots) -> dict[str, str]:
    return {name: value.reveal() for name, value in roots.to_mapping().items()}


def new_ssh_key() -> tuple[Secret, str]:
    """A private key in OpenSSH's form, and its public half as one line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return Secret(private), key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def public_key_of(private: Path) -> str:
    """The public half of a private key in OpenSSH's form, as one line."""
    key = load_ssh_private_key(private.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

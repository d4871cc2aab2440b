"""Pulumi's passphrase secrets provider: the same salt, key and ciphertexts, so that either engine reads the other's.

https://github.com/pulumi/pulumi/blob/master/pkg/secrets/passphrase/manager.go
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret

_ROUNDS = 1_000_000
_SALT_BYTES, _NONCE_BYTES, KEY_BYTES = 8, 12, 32
_PROOF = "pulumi"  # encrypted into the state, to tell a wrong passphrase


@dataclass(frozen=True)
class Crypter:
    """Encrypts and decrypts texts with one key. `provider` is what a deployment keeps of where that is from."""

    key: bytes = field(repr=False)
    provider: Mapping[str, Any]

    @classmethod
    def new(cls, passphrase: Secret) -> Crypter:
        """A crypter with a new salt."""
        salt = os.urandom(_SALT_BYTES)
        key = _derive(passphrase, salt)
        return cls(key, _provider(f"v1:{_b64(salt)}:{_encrypt(key, _PROOF)}"))

    @classmethod
    def load(cls, state: str, passphrase: Secret) -> Crypter:
        """The crypter of a state, `v1:<salt>:<proof>`; raises InfrastructureError for the wrong passphrase."""
        try:
            _, salt, proof = state.split(":", 2)
            crypter = cls(_derive(passphrase, base64.b64decode(salt)), _provider(state))
        except ValueError as exc:
            raise InfrastructureError("the state does not say how its secrets are encrypted", cause=str(exc)) from exc
        if crypter.decrypt(proof) != _PROOF:
            raise InfrastructureError("the passphrase does not fit the state")
        return crypter

    def encrypt(self, text: str) -> str:
        return _encrypt(self.key, text)

    def decrypt(self, ciphertext: str) -> str:
        """The text of `v1:<nonce>:<ciphertext>`; raises InfrastructureError when the key does not fit."""
        try:
            _, nonce, body = ciphertext.split(":", 2)
            return AESGCM(self.key).decrypt(base64.b64decode(nonce), base64.b64decode(body), None).decode()
        except (InvalidTag, ValueError) as exc:
            raise InfrastructureError(
                "a secret in the state cannot be decrypted",
                cause="the passphrase is another than the one the state was made with",
                hint="export MOORAGE_PASSPHRASE with the right one, or restore the passphrase file beside the state",
            ) from exc


def _provider(state: str) -> dict[str, Any]:
    return {"type": "passphrase", "state": {"salt": state}}


@cache
def _derive(passphrase: Secret, salt: bytes) -> bytes:
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=salt, iterations=_ROUNDS)
    return kdf.derive(passphrase.reveal().encode())


def _encrypt(key: bytes, text: str) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    return f"v1:{_b64(nonce)}:{_b64(AESGCM(key).encrypt(nonce, text.encode(), None))}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()

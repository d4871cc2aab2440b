"""What the hosts of a transfer know each other by: made for it, and gone with it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID: Final = timedelta(days=1)


@dataclass(frozen=True)
class Secrets:
    """One token and one certificate for one transfer; whoever serves needs the key, too."""

    token: str
    certificate: str
    key: str

    @property
    def of_server(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @property
    def of_client(self) -> bytes:
        return json.dumps({"token": self.token, "certificate": self.certificate}).encode()


def new_secrets() -> Secrets:
    """A certificate that only this transfer's clients trust, by its very bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moorage transfer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)  # clocks of hosts differ
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    return Secrets(
        token=secrets.token_urlsafe(32),
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )

"""The root secrets of one Kubernetes cluster: authorities and keys from which everything else is issued."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from installer.core.secret import Secret
from installer.kubernetes import pki
from installer.kubernetes.rendering import Authority

_AUTHORITIES: tuple[Authority, ...] = ("kubernetes", "etcd", "front-proxy")


@dataclass(frozen=True)
class Roots:
    """Made once; kept in the Pulumi state for the manager and in a Secret of the manager for a cluster."""

    authorities: Mapping[Authority, pki.CertificateAuthority]
    service_account_key: Secret  # PEM
    encryption_key: Secret  # 32 random bytes, base64: Secrets at rest

    @classmethod
    def generate(cls, name: str) -> Roots:
        """New roots for the cluster `name`, which is only a label in the authorities' subjects."""
        return cls(
            authorities={kind: pki.new_ca(f"{name} {kind}") for kind in _AUTHORITIES},
            service_account_key=pki.new_signing_key(),
            encryption_key=Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
        )

    def to_mapping(self) -> dict[str, Secret]:
        """Flat names and values, as a Secret's data or a Pulumi resource's outputs."""
        found = {"service-account.key": self.service_account_key, "encryption.key": self.encryption_key}
        for kind, authority in self.authorities.items():
            found[f"{kind}-ca.crt"] = Secret(authority.cert_pem)
            found[f"{kind}-ca.key"] = authority.key_pem
        return found

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Secret]) -> Roots:
        """The inverse of `to_mapping`; raises KeyError for a missing name."""
        return cls(
            authorities={
                kind: pki.CertificateAuthority(mapping[f"{kind}-ca.crt"].reveal(), mapping[f"{kind}-ca.key"])
                for kind in _AUTHORITIES
            },
            service_account_key=mapping["service-account.key"],
            encryption_key=mapping["encryption.key"],
        )

"""The root secrets of one Kubernetes cluster: authorities and keys from which everything else is issued."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from installer.core.secret import Secret
from installer.kubernetes import pki
from installer.kubernetes.rendering import Authority

_AUTHORITIES: tuple[Authority, ...] = ("kubernetes", "etcd", "front-proxy")
STAGE: Final = "stage"  # the name of that value in the flat form


class Stage(StrEnum):
    """How far the authorities are on their way to others; each is entered once all has the one before."""

    SETTLED = ""
    TRUST = "trust"  # the next authorities are trusted beside those that issue
    REISSUE = "reissue"  # they issue; those before are trusted beside them
    DROP = "drop"  # those before are trusted no more


@dataclass(frozen=True)
class Roots:
    """Made once; kept in the Pulumi state for the manager and in a Secret of the manager for a cluster."""

    authorities: Mapping[Authority, pki.CertificateAuthority]
    service_account_key: Secret  # PEM
    encryption_key: Secret  # 32 random bytes, base64: Secrets at rest
    stage: Stage = Stage.SETTLED

    @classmethod
    def generate(cls, name: str, *, days: int = pki.CA_DAYS) -> Roots:
        """New roots for the cluster `name`, only a label in the authorities' subjects; those live for `days`."""
        return cls(
            authorities={kind: pki.new_ca(f"{name} {kind}", days=days) for kind in _AUTHORITIES},
            service_account_key=pki.new_signing_key(),
            encryption_key=Secret(base64.b64encode(secrets.token_bytes(32)).decode()),
        )

    def issuing(self, days: int) -> Roots:
        """The same roots, whose authorities issue certificates for `days`."""
        return replace(self, authorities={kind: replace(one, days=days) for kind, one in self.authorities.items()})

    @property
    def marker(self) -> str:
        """A digest of what makes processes start anew: which authorities issue and are trusted, and for how long."""
        kept = (f"{one.trusted}{one.days}" for _, one in sorted(self.authorities.items()))
        return hashlib.sha256("".join(kept).encode()).hexdigest()[:16]

    def to_mapping(self) -> dict[str, Secret]:
        """Flat names and values, as a Secret's data or a Pulumi resource's outputs."""
        found = {"service-account.key": self.service_account_key, "encryption.key": self.encryption_key}
        for kind, authority in self.authorities.items():
            found[f"{kind}-ca.crt"] = Secret(authority.trusted)  # the one that issues comes first
            found[f"{kind}-ca.key"] = authority.key_pem
            if authority.next_key:
                found[f"{kind}-ca.next.key"] = authority.next_key
        return found | ({STAGE: Secret(self.stage)} if self.stage else {})

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Secret]) -> Roots:
        """The inverse of `to_mapping`; raises KeyError for a missing name, ValueError for a stage that is none."""
        return cls(
            authorities={kind: _authority(kind, mapping) for kind in _AUTHORITIES},
            service_account_key=mapping["service-account.key"],
            encryption_key=mapping["encryption.key"],
            stage=Stage(mapping[STAGE].reveal()) if STAGE in mapping else Stage.SETTLED,
        )


def _authority(kind: Authority, mapping: Mapping[str, Secret]) -> pki.CertificateAuthority:
    first, others = pki.split(mapping[f"{kind}-ca.crt"].reveal())
    return pki.CertificateAuthority(first, mapping[f"{kind}-ca.key"], others, mapping.get(f"{kind}-ca.next.key"))

"""Authorities that others follow: trusted first, issuing next, alone at last; pure steps from one stage to the next.

Whoever checks certificates is given all that are trusted at the time. So nobody meets a certificate of an authority
that it does not know, as long as each stage is entered once everything has the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from installer.kubernetes import pki
from installer.kubernetes.pki import CertificateAuthority
from installer.kubernetes.roots import Roots, Stage

_FOLLOWS: Final[Mapping[Stage, Stage]] = {
    Stage.SETTLED: Stage.TRUST,
    Stage.TRUST: Stage.REISSUE,
    Stage.REISSUE: Stage.DROP,
    Stage.DROP: Stage.SETTLED,
}
SAID: Final[Mapping[Stage, str]] = {
    Stage.SETTLED: "one authority",
    Stage.TRUST: "the next authority is trusted, too",
    Stage.REISSUE: "the next authority issues all certificates",
    Stage.DROP: "the old authority is trusted no more",
}


def after(stage: Stage) -> Stage:
    """The stage that follows."""
    return _FOLLOWS[stage]


def advanced(roots: Roots, *, days: int = pki.CA_DAYS, now: datetime | None = None) -> Roots:
    """Roots in the stage that follows theirs; authorities that are made for it live for `days`.

    The keys of service account tokens and of Secrets at rest stay.
    """
    stage = after(roots.stage)
    moves: Mapping[Stage, Callable[[CertificateAuthority], CertificateAuthority]] = {
        Stage.TRUST: partial(_announced, days=days, now=now),
        Stage.REISSUE: _succeeded,
        Stage.DROP: _alone,
    }
    if (move := moves.get(stage)) is None:
        return replace(roots, stage=stage)
    return replace(roots, stage=stage, authorities={kind: move(one) for kind, one in roots.authorities.items()})


def _announced(authority: CertificateAuthority, *, days: int, now: datetime | None) -> CertificateAuthority:
    successor = pki.new_ca(_successor(pki.common_name(authority.cert_pem)), days=days, now=now)
    return replace(authority, beside=successor.cert_pem, next_key=successor.key_pem)


def _succeeded(authority: CertificateAuthority) -> CertificateAuthority:
    if authority.next_key is None:
        raise ValueError("an authority that nothing follows cannot be succeeded")
    return replace(
        authority, cert_pem=authority.beside, key_pem=authority.next_key, beside=authority.cert_pem, next_key=None
    )


def _alone(authority: CertificateAuthority) -> CertificateAuthority:
    return replace(authority, beside="")


def _successor(name: str) -> str:
    """Another name, though verifiers tell authorities of one name by their keys: people do not."""
    first, _, number = name.rpartition(" ")
    return f"{first} {int(number) + 1}" if number.isdigit() else f"{name} 2"

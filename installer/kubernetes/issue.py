"""Certificates for what was rendered: kept where the one seen still fits, issued anew otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from installer.kubernetes import pki
from installer.kubernetes.rendering import Authority, CertificateRequest


@dataclass(frozen=True)
class Issued:
    """`new`: credentials by path stem; `kept`: stems whose certificate and key stay as they are."""

    new: Mapping[str, pki.Credential]
    kept: tuple[str, ...]


def issue(
    requests: Mapping[str, CertificateRequest],
    authorities: Mapping[Authority, pki.CertificateAuthority],
    seen: Mapping[str, str],
    *,
    now: datetime | None = None,
) -> Issued:
    """Decide for each request; `seen` maps a path stem to the certificate (PEM) that is there now."""
    kept = tuple(
        stem
        for stem, request in requests.items()
        if stem in seen and pki.fits(seen[stem], request.subject, authorities[request.authority], now=now)
    )
    new = {
        stem: authorities[request.authority].issue(request.subject, now=now)
        for stem, request in requests.items()
        if stem not in kept
    }
    return Issued(new=new, kept=kept)

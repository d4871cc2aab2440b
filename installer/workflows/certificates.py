"""The certificates of a platform: until when each is valid, and all of them anew."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube.resources.core_v1 import Secret

from installer.core.errors import InstallerError
from installer.engine.runner import RunResult
from installer.kubernetes import client, hosted, pki
from installer.workflows import clusters, up
from installer.workflows.session import Session

COMMAND: Final = "moorage certs renew"
SOON_DAYS: Final = 30  # from then on `status` speaks of it


@dataclass(frozen=True, kw_only=True)
class CertificateInfo:
    """One certificate. `of`: a host, a cluster, or the manager for its authorities."""

    of: str
    name: str
    ends: datetime
    days: int  # that are left; negative: it has ended
    due: bool  # it ends soon, and ought to have been renewed


def list_(session: Session, *, now: datetime | None = None) -> tuple[CertificateInfo, ...]:
    """All of them, those that end first first; raises the error of a host that cannot be looked at."""
    now = now or datetime.now(UTC)
    found = [*_authorities(session), *_on_hosts(session), *_of_clusters(session)]
    listed = [_info(of, name, pem, now) for of, name, pem in found]
    return tuple(sorted(listed, key=lambda one: (one.ends, one.of, one.name)))


def due(session: Session) -> tuple[CertificateInfo, ...]:
    """Those of hosts and authorities that are to be told of, as far as hosts can be looked at."""
    now = datetime.now(UTC)
    found = list(_authorities(session))
    for name in session.hosts:
        try:
            found += _on_host(session, name)
        except InstallerError:  # told as a problem of that host
            continue
    return tuple(one for one in (_info(of, name, pem, now) for of, name, pem in found) if one.due)


def renew(session: Session) -> RunResult:
    """Make every certificate on the hosts anew, host after host as `up` changes them; authorities stay."""
    session.renew_before = datetime.now(UTC) - pki.BACKDATE
    return up.up(session, command=COMMAND)


def _info(of: str, name: str, pem: str, now: datetime) -> CertificateInfo:
    ends = pki.ends(pem)
    days = (ends - now).days
    return CertificateInfo(
        of=of, name=name, ends=ends, days=days, due=days < SOON_DAYS and now >= pki.renewal_time(pem)
    )


def _authorities(session: Session) -> Iterator[tuple[str, str, str]]:
    for name, authority in session.roots.authorities.items():
        yield "manager", f"authority {name}", authority.cert_pem


def _on_hosts(session: Session) -> Iterator[tuple[str, str, str]]:
    session.all_facts()
    for name in session.hosts:
        yield from _on_host(session, name)


def _on_host(session: Session, name: str) -> Iterator[tuple[str, str, str]]:
    for path, pem in session.facts(name).certificates.items():
        yield name, path, pem


def _of_clusters(session: Session) -> Iterator[tuple[str, str, str]]:
    for name in clusters.labels(session):
        with client.translated(f"read the certificates of cluster {name}"):
            secrets = {client.name_of(s): s for s in session.api.list(Secret, namespace=hosted.namespace(name))}
        plane = secrets.get(hosted.CONTROL_PLANE)
        for key, text in sorted(((plane.data if plane else None) or {}).items()):
            if key.endswith(".crt"):
                yield f"cluster {name}", key, base64.b64decode(text).decode()

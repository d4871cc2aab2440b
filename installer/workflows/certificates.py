"""The certificates of a platform: until when each is valid, and all of them anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube.resources.core_v1 import Secret

from installer.core.errors import InstallerError
from installer.engine.runner import RunResult
from installer.kubernetes import client, documents, hosted, pki
from installer.kubernetes.roots import Roots, Stage
from installer.workflows import clusters, up
from installer.workflows.session import Session

COMMAND: Final = "moorage certs renew"
_DATASTORES: Final = "etcd-ca.crt"  # the one authority there that is not the cluster's
_Found = tuple[str, str, str, str]  # whose, its name, PEM, a note
SOON_DAYS: Final = 30  # from then on `status` speaks of it


@dataclass(frozen=True, kw_only=True)
class CertificateInfo:
    """One certificate. `of`: a host, a cluster, or the manager for its authorities."""

    of: str
    name: str
    ends: datetime
    days: int  # that are left; negative: it has ended
    due: bool  # it ends soon, and ought to have been renewed
    note: str = ""  # of an authority that another follows: what it does meanwhile


def list_(session: Session, *, now: datetime | None = None) -> tuple[CertificateInfo, ...]:
    """All of them, those that end first first; raises the error of a host that cannot be looked at."""
    now = now or datetime.now(UTC)
    listed = [_info(*each, now=now) for each in (*_authorities(session), *_on_hosts(session), *_of_clusters(session))]
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
    return tuple(one for one in (_info(*each, now=now) for each in found) if one.due)


def renew(session: Session) -> RunResult:
    """Make every certificate on the hosts anew, host after host as `up` changes them; authorities stay."""
    session.renew_before = datetime.now(UTC) - pki.BACKDATE
    return up.up(session, command=COMMAND)


def _info(of: str, name: str, pem: str, note: str = "", *, now: datetime) -> CertificateInfo:
    ends = pki.ends(pem)
    days = (ends - now).days
    due = days < SOON_DAYS and now >= pki.renewal_time(pem)
    return CertificateInfo(of=of, name=name, ends=ends, days=days, due=due, note=note)


def _authorities(session: Session) -> Iterator[_Found]:
    yield from _of_roots("manager", session.roots)


def _of_roots(of: str, roots: Roots) -> Iterator[_Found]:
    stage = f"stage {roots.stage}: " if roots.stage else ""
    for name, authority in roots.authorities.items():
        yield of, f"authority {name}", authority.cert_pem, f"{stage}issues" if stage else ""
        if authority.beside:
            follows = roots.stage is Stage.TRUST
            note = "trusted, issues in the next stage" if follows else "trusted, no more in the next stage"
            yield of, f"authority {name}, {'next' if follows else 'before'}", authority.beside, f"{stage}{note}"


def _on_hosts(session: Session) -> Iterator[_Found]:
    session.all_facts()
    for name in session.hosts:
        yield from _on_host(session, name)


def _on_host(session: Session, name: str) -> Iterator[_Found]:
    for path, pem in session.facts(name).certificates.items():
        yield name, path, pem, ""


def _of_clusters(session: Session) -> Iterator[_Found]:
    for name in clusters.labels(session):
        with client.translated(f"read the certificates of cluster {name}"):
            secrets = {client.name_of(s): s for s in session.api.list(Secret, namespace=hosted.namespace(name))}
        of = f"cluster {name}"
        if hosted.ROOTS in secrets:
            yield from _of_roots(of, Roots.from_mapping(documents.entries(secrets[hosted.ROOTS].data)))
        plane = secrets.get(hosted.CONTROL_PLANE)
        for key, text in sorted(documents.entries(plane.data if plane else None).items()):
            if key.endswith(".crt") and (not key.endswith("ca.crt") or key == _DATASTORES):
                yield of, key, text.reveal(), ""

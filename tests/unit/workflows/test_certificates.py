"""Until when certificates are valid, and which are made anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from installer.core.errors import SshError
from installer.kubernetes import issue, pki
from installer.kubernetes.rendering import CertificateRequest
from installer.spec.specification import load
from installer.workflows import certificates, clusters, host_state
from installer.workflows.infrastructure import Provided
from installer.workflows.session import Session
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_AUTHORITY = pki.new_ca("test", now=_NOW - timedelta(days=100))
_SUBJECT = pki.Subject("someone")
_NAMES = ("manager-1", "manager-2", "manager-3", "worker-1", "worker-2")


def _certificate(days: int, *, now: datetime = _NOW) -> str:
    return _AUTHORITY.issue(_SUBJECT, days=days, now=now).cert_pem


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Hosts with a certificate each, one of which cannot be looked at; no clusters."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    spec = load(path)
    seen = {name: facts(certificates={"/x.crt": _certificate(days)}) for days, name in enumerate(_NAMES, 20)}
    found = sessions.provided(spec, spec, tmp_path, seen)
    assert found.provided is not None
    roots = replace(found.provided.roots, authorities={"kubernetes": _AUTHORITY})
    found.provide(Provided(found.provided.regions, roots, found.provided.access, found.provided.specification))
    monkeypatch.setattr(clusters, "labels", lambda session: {})
    return found


def test_those_that_end_first_come_first(session: Session) -> None:
    """With the days that are left."""
    found = certificates.list_(session, now=_NOW)
    assert [(one.of, one.days) for one in found[:3]] == [("manager-1", 20), ("manager-2", 21), ("manager-3", 22)]
    assert (found[-1].of, found[-1].name, found[-1].due) == ("manager", "authority kubernetes", False)


def test_a_host_that_is_away_hides_no_other(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as a problem of its own."""
    look = session.facts

    def facts_of(name: str) -> object:
        if name == "manager-1":
            raise SshError("timed out")
        return look(name)

    monkeypatch.setattr(session, "facts", facts_of)
    monkeypatch.setattr(certificates, "SOON_DAYS", 10_000)
    monkeypatch.setattr(pki, "renewal_time", pki.begins)
    assert {one.of for one in certificates.due(session)} == {"manager", *_NAMES[1:]}


def test_what_was_made_before_a_moment_is_made_anew_once() -> None:
    """What was made since is kept, so that a second look finds nothing to do."""
    request = {"/x": CertificateRequest("kubernetes", _SUBJECT)}
    before, after = _certificate(300, now=_NOW - timedelta(hours=1)), _certificate(300, now=_NOW)
    since = _NOW - pki.BACKDATE
    for pem, kept in ((before, ()), (after, ("/x",))):
        seen = host_state.seen_certificates(facts(certificates={"/x.crt": pem}), since=since)
        found = issue.issue(request, {"kubernetes": _AUTHORITY}, seen, now=_NOW)
        assert found.kept == kept
    assert host_state.seen_certificates(facts(certificates={"/x.crt": before})) == {"/x": before}

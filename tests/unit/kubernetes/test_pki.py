"""Certificates: what they say, when they are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from installer.kubernetes import pki
from installer.kubernetes.issue import issue
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NODE = Subject("system:node:a", ("system:nodes",), ("a", "198.18.0.2"), server=True)


@pytest.fixture(scope="module")
def authority() -> pki.CertificateAuthority:
    """An authority made at NOW."""
    return pki.new_ca("test", now=NOW)


def test_kubernetes_reads_user_and_groups_from_the_subject(authority: pki.CertificateAuthority) -> None:
    """The common name is the user, each organization a group, and the names are served."""
    cert = x509.load_pem_x509_certificate(authority.issue(NODE, now=NOW).cert_pem.encode())
    assert cert.subject.rfc4514_string() == "CN=system:node:a,O=system:nodes"
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == {"a", "198.18.0.2"}


def test_no_certificate_outlives_its_authority() -> None:
    """Asked for longer, a certificate ends with the authority."""
    short = pki.new_ca("short", days=10, now=NOW)
    cert = x509.load_pem_x509_certificate(short.issue(NODE, days=365, now=NOW).cert_pem.encode())
    assert cert.not_valid_after_utc == NOW + timedelta(days=10)


def test_keys_do_not_show(authority: pki.CertificateAuthority) -> None:
    """Neither repr nor str of a credential holds its key."""
    credential = authority.issue(NODE, now=NOW)
    assert "PRIVATE" in credential.key_pem.reveal()
    assert "PRIVATE" not in repr(credential) + str(credential.key_pem) + repr(authority)


@pytest.mark.parametrize(
    ("wanted", "age_days", "kept"),
    [
        (NODE, 0, True),
        (NODE, 200, True),
        (NODE, 250, False),  # two thirds of 365 days are over
        (Subject("system:node:b", NODE.organizations, NODE.names, server=True), 0, False),
        (Subject(NODE.common_name, ("system:masters",), NODE.names, server=True), 0, False),
        (Subject(NODE.common_name, NODE.organizations, ("a",), server=True), 0, False),
        (Subject(NODE.common_name, NODE.organizations, NODE.names, server=False), 0, False),
    ],
)
def test_a_certificate_is_kept_while_it_fits(
    authority: pki.CertificateAuthority, wanted: Subject, age_days: int, kept: bool
) -> None:
    """Another subject, other names, other usages or two thirds of its life gone: a new one is issued."""
    seen = {"/p/x": authority.issue(NODE, now=NOW).cert_pem}
    later = NOW + timedelta(days=age_days)
    result = issue({"/p/x": CertificateRequest("kubernetes", wanted)}, {"kubernetes": authority}, seen, now=later)
    assert (result.kept == ("/p/x",)) is kept
    assert ("/p/x" in result.new) is not kept


@pytest.mark.parametrize("seen", ["", "not one", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_replaced(authority: pki.CertificateAuthority, seen: str) -> None:
    """A damaged file is not an error: a new certificate is issued."""
    assert not pki.fits(seen, NODE, authority, now=NOW)


def test_a_certificate_of_another_authority_is_replaced(authority: pki.CertificateAuthority) -> None:
    """The same subject from an authority of the same name does not count."""
    other = pki.new_ca("test", now=NOW).issue(NODE, now=NOW)
    assert not pki.fits(other.cert_pem, NODE, authority, now=NOW)


@pytest.mark.parametrize(("issued_for", "wanted", "kept"), [(365, 365, True), (365, 30, False), (30, 365, True)])
def test_a_certificate_lives_no_longer_than_is_said_now(
    authority: pki.CertificateAuthority, issued_for: int, wanted: int, *, kept: bool
) -> None:
    """One that is to live longer is issued anew; one that ends sooner stays."""
    seen = replace(authority, days=issued_for).issue(NODE, now=NOW).cert_pem
    assert pki.fits(seen, NODE, replace(authority, days=wanted), now=NOW) == kept


@pytest.mark.parametrize(("hours", "kept"), [(0, True), (15, True), (17, False)])
def test_a_day_is_long_enough_for_a_certificate(authority: pki.CertificateAuthority, hours: int, *, kept: bool) -> None:
    """It fits at once, and is renewed after two thirds of the day."""
    daily = replace(authority, days=1)
    seen = daily.issue(NODE, now=NOW).cert_pem
    assert pki.fits(seen, NODE, daily, now=NOW + timedelta(hours=hours)) == kept

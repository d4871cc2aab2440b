"""Certificate authorities, certificates and signing keys, by `cryptography`; ECDSA P-256 throughout.

The subjects are those that Kubernetes' authenticators and bootstrap roles know:
https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from installer.core.secret import Secret

CA_DAYS = 3650
LEAF_DAYS = 365
# Renewed by the next `up` or reconcile once this share of the lifetime is gone.
RENEW_AFTER = 2 / 3
# Hosts' clocks may be behind the one that signs.
BACKDATE = timedelta(minutes=10)
_END = "-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names: Kubernetes reads `common_name` as the user and `organizations` as its groups."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # DNS names and IP addresses it serves; empty for a mere client
    server: bool = False
    client: bool = True


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key, PEM."""

    cert_pem: str
    key_pem: Secret


@dataclass(frozen=True)
class CertificateAuthority:
    """A certificate authority that can issue. While another follows it, both are trusted: see rotation.py."""

    cert_pem: str
    key_pem: Secret
    beside: str = ""  # PEM: the authority that is trusted beside it, its successor or its predecessor
    next_key: Secret | None = None  # of the successor, as long as that issues nothing yet
    days: int = LEAF_DAYS  # how long what it issues is valid

    @property
    def trusted(self) -> str:
        """What is to be trusted, PEM: whoever checks certificates of this authority is given this."""
        return self.cert_pem + self.beside

    def issue(self, subject: Subject, *, days: int | None = None, now: datetime | None = None) -> Credential:
        """A new key and a certificate for `subject`, valid for `days`, its own by default, but never longer than it."""
        authority = x509.load_pem_x509_certificate(self.cert_pem.encode())
        signer = _private_key(self.key_pem)
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject.common_name, subject.organizations))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(now + timedelta(days=days or self.days), authority.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(list(_usages(subject))), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        if subject.names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(subject.names)), critical=False)
        return Credential(_pem(builder.sign(signer, hashes.SHA256())), _key_pem(key))


def ends(pem: str) -> datetime:
    """Until when a certificate is valid."""
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def begins(pem: str) -> datetime:
    """Since when a certificate is valid: BACKDATE before it was made."""
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_before_utc


def new_ca(common_name: str, *, days: int = CA_DAYS, now: datetime | None = None) -> CertificateAuthority:
    """A self-signed authority with a new key."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name, ())
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return CertificateAuthority(_pem(cert), _key_pem(key))


def common_name(cert_pem: str) -> str:
    """Whom a certificate names."""
    found = x509.load_pem_x509_certificate(cert_pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def split(trusted: str) -> tuple[str, str]:
    """The first certificate of several, PEM, and the others."""
    first, end, others = trusted.partition(_END)
    return first + end, others


def new_signing_key() -> Secret:
    """A private key, PEM, with which the API server signs service account tokens (ES256)."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def public_key_pem(private_key_pem: Secret) -> str:
    """The public half of `private_key_pem`, PEM."""
    public = _private_key(private_key_pem).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fits(cert_pem: str, subject: Subject, authority: CertificateAuthority, *, now: datetime | None = None) -> bool:
    """Whether a certificate seen somewhere still serves: same subject, names and authority, not close to its end.

    Nor may it live longer than what the authority issues now.
    """
    try:
        cert = x509.load_pem_x509_certificate(cert_pem.encode())
        cert.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.cert_pem.encode()))
    except Exception:  # noqa: BLE001 - whatever is wrong with a certificate on a host, the answer is to issue a new one
        return False
    if cert.subject != _name(subject.common_name, subject.organizations) or _names_of(cert) != set(subject.names):
        return False
    if set(_usages(subject)) != set(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value):
        return False
    if cert.not_valid_after_utc - cert.not_valid_before_utc > timedelta(days=authority.days) + BACKDATE:
        return False
    return (now or datetime.now(UTC)) < renewal_time(cert_pem)


def renewal_time(cert_pem: str) -> datetime:
    """When a certificate is due for renewal: after RENEW_AFTER of its life."""
    cert = x509.load_pem_x509_certificate(cert_pem.encode())
    life = cert.not_valid_after_utc - cert.not_valid_before_utc
    return cert.not_valid_before_utc + life * RENEW_AFTER


def fingerprint(cert_pem: str) -> str:
    """The start of a certificate's SHA-256 fingerprint, as `openssl x509 -fingerprint -sha256` shows it."""
    digest = x509.load_pem_x509_certificate(cert_pem.encode()).fingerprint(hashes.SHA256())
    return "SHA-256 " + ":".join(f"{byte:02X}" for byte in digest[:8])


def _private_key(pem: Secret) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.reveal().encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return key


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usages(subject: Subject) -> Iterable[x509.ObjectIdentifier]:
    if subject.server:
        yield ExtendedKeyUsageOID.SERVER_AUTH
    if subject.client:
        yield ExtendedKeyUsageOID.CLIENT_AUTH


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        key_encipherment=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(cert: x509.Certificate) -> set[str]:
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(general.value) for general in found}


def _pem(cert: x509.Certificate) -> str:
    return cert.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

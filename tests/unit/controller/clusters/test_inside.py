"""Serving certificates are signed for node pods of ours alone."""

from __future__ import annotations

import base64
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from installer.controller.clusters.inside import PodOfNode, endpoint, refusal

PODS = {"general-1": PodOfNode("general-1", "10.128.1.2", "worker-1")}
USER = "system:node:general-1"


def request(name: str, *, addresses: tuple[str, ...], names: tuple[str, ...]) -> str:
    """A request as the API hands it out."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    wanted = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    if wanted:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


@pytest.mark.parametrize(
    ("user", "name", "addresses", "names", "why"),
    [
        (USER, USER, ("10.128.1.2",), ("general-1",), None),
        (USER, USER, ("10.128.1.2",), (), None),
        (USER, USER, ("10.128.1.3",), ("general-1",), "10.128.1.3"),
        (USER, USER, ("10.128.1.2",), ("general-1", "kubernetes"), "kubernetes"),
        (USER, "system:node:other", ("10.128.1.2",), ("general-1",), "another user"),
        ("system:node:other", "system:node:other", ("10.128.1.2",), ("other",), "no node with a pod"),
        ("general-1", "general-1", ("10.128.1.2",), ("general-1",), "no node with a pod"),
        (USER, USER, (), (), "no request for a serving certificate"),
    ],
)
def test_refusal(user: str, name: str, addresses: tuple[str, ...], names: tuple[str, ...], why: str | None) -> None:
    """Only its own name and address, asked for by itself."""
    found = refusal(user, request(name, addresses=addresses, names=names), PODS)
    assert found is None if why is None else why in (found or "")


def test_the_endpoint_has_both_forms() -> None:
    """Older clients read Endpoints, newer ones EndpointSlices; both lead to the same address."""
    old, new = endpoint("10.127.0.9")
    assert old["subsets"][0]["addresses"] == [{"ip": "10.127.0.9"}]
    assert new["endpoints"][0]["addresses"] == ["10.127.0.9"]

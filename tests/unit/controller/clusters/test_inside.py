"""Inside a cluster: whose serving certificates are signed, what is furnished, what becomes of nodes that are gone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lightkube import ApiError
from lightkube.models.meta_v1 import Status
from lightkube.resources.core_v1 import Node, Pod

from installer.controller.clusters.inside import Inside, PodOfNode, endpoint, refusal
from installer.kubernetes import client, pki, rotation, storage
from installer.kubernetes.roots import Roots
from tests.unit.kubernetes import fixed

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


class Cluster:
    """A cluster's API with one pod on each node, which refuses to change a class that is there."""

    def __init__(self) -> None:
        self.nodes = ["general-1", "general-2"]
        self.classes: dict[str, str] = {}
        self.deleted: list[tuple[str, str]] = []

    def list(self, kind: type[Any], fields: dict[str, str] | None = None, **_: Any) -> Iterator[Any]:
        if kind is Node:
            yield from (Node.from_dict({"metadata": {"name": name}}) for name in self.nodes)
        elif kind is Pod and fields:
            meta = {"namespace": "default", "name": f"on-{fields['spec.nodeName']}", "uid": "1"}
            yield Pod.from_dict({"metadata": meta, "spec": {"containers": []}})

    def delete(self, kind: type[Any], name: str, *, grace_period: int | None, **_: Any) -> None:
        self.deleted.append((kind.__name__, f"{name} at once" if grace_period == 0 else name))
        self.classes.pop(name, None)
        self.nodes = [node for node in self.nodes if node != name]

    def get(self, kind: type[Any], name: str, **_: Any) -> Any:
        if name not in self.classes:
            raise ApiError(status=Status(code=404, message="not found"))
        return kind.from_dict({"metadata": {"name": name}, "provisioner": self.classes[name]})

    def apply(self, made: Any, **_: Any) -> None:
        if made.kind != "StorageClass":
            return
        if self.classes.setdefault(made.metadata.name, made.provisioner) != made.provisioner:
            raise ApiError(status=Status(code=422, message="updates to provisioner are forbidden"))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Such an API, which every Inside connects to."""
    found = Cluster()
    monkeypatch.setattr(client, "connect", lambda *_, **__: found)
    return found


def inside() -> Inside:
    return Inside(fixed.cluster(), "10.127.0.9", Roots.generate("team-a"))


def test_pods_of_a_node_that_is_gone_are_buried(api: Cluster) -> None:
    """Not while its pod may still run, since what they do to a volume goes on until then; and once."""
    one = inside()
    one.tend({"general-1": PODS["general-1"]})
    assert api.deleted == [("Node", "general-2")]
    one.bury(["general-1", "general-2"])
    assert len(api.deleted) == 1
    one.bury(["general-1"])
    one.bury(["general-1"])
    assert api.deleted[1:] == [("Pod", "on-general-2 at once")]


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ({}, True, {"moorage": storage.PROVISIONER}),
        ({"moorage": "example.com/mine"}, True, {"moorage": storage.PROVISIONER}),
        ({"moorage": storage.PROVISIONER}, False, {}),
        ({"moorage": "example.com/mine"}, False, {"moorage": "example.com/mine"}),
        ({"mine": storage.PROVISIONER}, False, {"mine": storage.PROVISIONER}),
    ],
)
def test_the_class_is_as_the_cluster_says(
    api: Cluster, before: dict[str, str], wanted: bool, after: dict[str, str]
) -> None:
    """Another's of that name goes while ours is wanted, and is left alone while it is not."""
    api.classes = dict(before)
    addons = {"storage": wanted, "metricsServer": False}
    inside().furnish(fixed.settings(), fixed.cluster(addons=addons))
    assert api.classes == after


def test_another_way_in_is_made_for_other_authorities_and_before_a_certificate_ends(
    api: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates may live for a day, and controllers for months."""
    roots = Roots.generate("team-a")
    one = Inside(fixed.cluster(), "10.127.0.9", roots)
    assert one.serves(roots)
    assert not one.serves(rotation.advanced(roots))
    monkeypatch.setattr(pki, "renewal_time", pki.begins)
    assert not Inside(fixed.cluster(), "10.127.0.9", roots).serves(roots)

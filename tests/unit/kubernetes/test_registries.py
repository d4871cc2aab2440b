"""What containerd reads of registries."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from installer.core.secret import Secret
from installer.kubernetes import node_pod, pki, registries
from installer.kubernetes.registries import Login
from installer.spec.cluster import Cluster
from installer.spec.registries import Registry
from tests.unit.kubernetes import fixed

CA = pki.new_ca("mirror").cert_pem
MIRROR = {"url": "https://mirror.example:5000/hub", "ca": CA, "credentials": {"secret": "mirror"}}
BASIC = "Basic cm9ib3Q6cGEic3M="  # robot:pa"ss


def read(*entries: dict[str, Any]) -> dict[str, Any]:
    """The files of these registries, those of TOML read."""
    logins = {"mirror": Login("robot", Secret('pa"ss'))}
    found = registries.files([Registry.model_validate(entry) for entry in entries], logins)
    texts = {name: text.reveal() if isinstance(text, Secret) else text for name, text in found.items()}
    return {name: tomllib.loads(text) if name.endswith(".toml") else text for name, text in texts.items()}


def test_a_mirror_before_its_registry() -> None:
    """Each server has only what is its own: the registry itself is not shown the mirror's login."""
    found = read({"name": "docker.io", "mirrors": [MIRROR]})
    (ca,) = [name for name in found if name.endswith(".crt")]
    table = {
        "capabilities": ["pull", "resolve"],
        "ca": f"/etc/moorage/registries/{ca}",
        "header": {"Authorization": BASIC},
    }
    assert found == {ca: CA, "docker.io.toml": {"host": {MIRROR["url"]: table}}}


def test_mirrors_alone() -> None:
    """The last of them takes the place of the registry: nobody else is asked."""
    found = read({"name": "*", "upstream": False, "mirrors": [{"url": "https://first.example"}, MIRROR]})
    (ca,) = [name for name in found if name.endswith(".crt")]
    assert found["_default.toml"] == {
        "server": MIRROR["url"],
        "ca": f"/etc/moorage/registries/{ca}",
        "header": {"Authorization": BASIC},
        "host": {"https://first.example": {"capabilities": ["pull", "resolve"]}},
    }


def test_a_registry_of_ones_own() -> None:
    """By host and port; a login that is not there yet is left out."""
    found = read({"name": "images.example:8443", "ca": CA, "credentials": {"secret": "none"}})
    assert found["images.example_8443_.toml"].keys() == {"ca"}


def test_files_with_logins_are_secrets() -> None:
    """They show nothing when printed."""
    found = registries.files([Registry.model_validate({"name": "docker.io", "mirrors": [MIRROR]})], {})
    assert isinstance(found["docker.io.toml"], Secret)


def test_registries_change_no_node() -> None:
    """Nodes are not replaced for them."""
    plain, chosen = fixed.cluster(), fixed.cluster(registries=[{"name": "docker.io", "mirrors": [MIRROR]}])
    shapes = {node_pod.shape(one, one.spec.pools[0], "10.127.0.9", fixed.settings()) for one in (plain, chosen)}
    assert len(shapes) == 1


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "*"}, "needs mirrors"),
        ({"name": "*", "mirrors": [MIRROR], "credentials": {"secret": "mirror"}}, "needs mirrors"),
        ({"name": "docker.io", "upstream": False}, "without its upstream"),
        ({"name": "docker.io", "mirrors": [MIRROR, MIRROR]}, "same url"),
        ({"name": "docker.io", "mirrors": [{"url": "http://mirror.example"}]}, "match pattern"),
        ({"name": "docker.io", "ca": "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"}, "certificates"),
        ({"name": "docker.io", "credentials": {"secret": "roots"}}, "Moorage's own"),
        ({"name": "docker.io", "credentials": {"secret": "a", "password": {"env": "P"}}}, "neither"),
        ({"name": "Docker.io"}, "match pattern"),
    ],
)
def test_what_makes_no_sense_is_refused(entry: dict[str, Any], said: str) -> None:
    """TLS is not optional, and no login is shown to everybody."""
    with pytest.raises(ValidationError, match=said):
        Registry.model_validate(entry)


def test_where_logins_come_from_is_not_in_the_resource() -> None:
    """References to the operator's environment and files stay in the specification."""
    login = {"secret": "mirror", "username": {"env": "U"}, "password": {"env": "P"}}
    cluster = fixed.cluster(registries=[{"name": "images.example", "credentials": login}])
    dumped = cluster.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped["spec"]["registries"][0]["credentials"] == {"secret": "mirror"}
    assert Cluster.model_validate(dumped).spec.registries[0].credentials is not None

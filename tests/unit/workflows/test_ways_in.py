"""How hosts and the manager's API are reached: directly, or through a bastion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.store import Store
from installer.core.errors import SpecError
from installer.core.secret import Secret
from installer.kubernetes import control_plane, node
from installer.spec.contract import BastionOutput, JumpOutput
from installer.spec.specification import load
from installer.transport.proxy import Proxy
from installer.workflows import rendered, ways_in
from installer.workflows.infrastructure import Access
from installer.workflows.session import Session
from tests.unit.kubernetes import fixed
from tests.unit.spec.documents import aws, onprem
from tests.unit.workflows import sessions


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Of a platform with three managers, reached directly."""
    path = tmp_path / "platform.yaml"
    path.write_text(aws())
    spec = load(path)
    found = sessions.provided(spec, spec, tmp_path, {})
    yield found
    found.fleet.close()


def _change(session: Session, *, endpoint: str | None = None, cluster_endpoint: str | None = None, **host: Any) -> None:
    """The same platform, but for what its stack says of its hosts."""
    provided = session.provided
    assert provided
    (region,) = provided.regions
    hosts = tuple(one.model_copy(update=host) for one in region.hosts)
    changed = region.model_copy(update={"hosts": hosts, "endpoint": endpoint, "cluster_endpoint": cluster_endpoint})
    session.provide(type(provided)((changed,), provided.roots, provided.access, provided.specification))


def test_without_a_bastion_it_is_reached_directly(session: Session) -> None:
    """At each manager's own address."""
    assert session.api_servers[0] == "https://192.0.2.1:6443"
    assert session.manager_urls == tuple(f"https://192.0.2.{number}:6443" for number in (1, 2, 3))


def test_behind_a_bastion_it_is_reached_by_way_of_the_loopback(session: Session) -> None:
    """Each manager by a port of its own, the same all the while; others are told the addresses there."""
    _change(session, bastion=BastionOutput(address="203.0.113.1", host_key="ssh-ed25519 b"))
    servers = session.api_servers
    assert all(server.startswith("https://127.0.0.1:") for server in servers)
    assert len(set(servers)) == 3
    assert session.api_servers == servers
    assert session.api_address("m-2") == "https://192.0.2.2:6443"


def test_behind_a_proxy_each_manager_lets_its_own_api_pass(session: Session) -> None:
    """The proxy takes on what goes to SSH servers; the API's address there is the one among the hosts."""
    provided = session.provided
    assert provided
    access = {"cloud": Access(None, proxy=Secret("http://ops:secret@proxy.example.org:3128"))}
    session.provide(replace(provided, access=access))
    servers = session.api_servers
    assert all(server.startswith("https://127.0.0.1:") for server in servers)
    assert len(set(servers)) == 3
    way, address = ways_in.passage(session.hosts["m-2"], access["cloud"]) or (None, "")
    assert way is not None
    assert (way.name, way.bastion, str(way.proxy)) == ("m-2", None, "http://proxy.example.org:3128")
    assert address == "192.0.2.2"


def test_a_proxy_before_bastions_is_the_first_ones_alone(session: Session) -> None:
    """The others are reached from there."""
    outer = JumpOutput(address="outer.example.org", user="jump", host_key="")
    last = BastionOutput(address="10.0.0.1", host_key="ssh-ed25519 b", through=(outer,))
    _change(session, bastion=last)
    found = ways_in.target(session.hosts["m-1"], Access(None, proxy=Secret("socks5://192.0.2.250:1080")))
    assert found.proxy is None
    assert found.bastion
    assert (found.bastion.name, found.bastion.address, found.bastion.proxy) == ("bastion of m-1", "10.0.0.1", None)
    first = found.bastion.bastion
    assert first
    assert (first.name, first.user, first.host_key) == ("bastion outer.example.org of m-1", "jump", None)
    assert str(first.proxy) == "socks5://192.0.2.250:1080"


@pytest.mark.parametrize(
    "url", ["https://proxy:443", "http://proxy", "proxy:3128", "http://proxy:port", "http://proxy:1/x", "http://[:1"]
)
def test_what_is_no_proxy_is_refused_without_telling_it(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(SpecError) as caught:
        Proxy.parse(Secret(url))
    assert url not in str(caught.value)


def test_a_balancer_is_what_others_are_told_first(session: Session) -> None:
    """And then every manager, should it be away."""
    _change(session, endpoint="api.example.org")
    assert session.manager_urls[:2] == ("https://api.example.org:6443", "https://192.0.2.1:6443")


def test_an_address_that_managers_share_is_told_first_and_held_by_managers_alone(tmp_path: Path) -> None:
    """It is in the API servers' certificates; where it goes from the specification, nothing of it is wanted."""
    hosts = "{name: m, role: manager, address: 192.0.2.1}, {name: w, role: worker, address: 192.0.2.2}"
    path = tmp_path / "platform.yaml"
    found = {}
    for vip in ("192.0.2.9", "null"):
        path.write_text(onprem(hosts, vip=vip))
        spec = load(path)
        session = sessions.provided(spec, spec, tmp_path, {})
        _with_roots(session)
        found[vip] = {name: _units(session, name) for name in ("m", "w")}
        urls = ("https://192.0.2.1:6443",)
        assert session.manager_urls == (("https://192.0.2.9:6443", *urls) if vip == "192.0.2.9" else urls)
        assert session.endpoints[0] == ("192.0.2.9" if vip == "192.0.2.9" else "192.0.2.1")
    assert found["192.0.2.9"]["m"] - found["null"]["m"] == {"moorage-vip"}
    assert found["192.0.2.9"]["w"] == found["null"]["w"]


def _with_roots(session: Session) -> None:
    provided = session.provided
    assert provided
    session.provide(replace(provided, roots=fixed.roots()))


def _units(session: Session, name: str) -> set[str]:
    images = (Artefact(f"images/{one}.tar", "0" * 64, 1, image=f"{one}:1") for one in ("pause", "controller", "node"))
    bundle = Bundle("2026.11", "amd64", tuple(images), Store(Path("/nonexistent")))
    part = rendered.of_manager(session, name, node.Traits(), bundle)
    vip = session.platform.vips.get("hall", "")
    if name in session.managers:
        names = part.rendered.certificates[f"{control_plane.CONFIG}/apiserver"].subject.names
        assert not vip or vip in names
    return {process.name for process in part.rendered.processes}


def test_clusters_are_reached_by_their_own_balancer_and_not_by_that_of_the_managers_api(session: Session) -> None:
    """Its address is what kubeconfigs and certificates of clusters have first; the other passes on the API alone."""
    _change(session, endpoint="api.example.org")
    assert session.endpoints == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    _change(session, endpoint="api.example.org", cluster_endpoint="clusters.example.org")
    assert session.endpoints[:2] == ("clusters.example.org", "192.0.2.1")

"""How hosts and the manager's API are reached: directly, or through a bastion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.store import Store
from installer.kubernetes import control_plane, node
from installer.spec.contract import BastionOutput
from installer.spec.specification import load
from installer.workflows import rendered
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


def _change(session: Session, *, endpoint: str | None = None, **host: Any) -> None:
    """The same platform, but for what its stack says of its hosts."""
    provided = session.provided
    assert provided
    (region,) = provided.regions
    hosts = tuple(one.model_copy(update=host) for one in region.hosts)
    changed = region.model_copy(update={"hosts": hosts, "endpoint": endpoint})
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

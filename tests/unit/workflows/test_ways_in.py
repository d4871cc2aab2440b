"""How hosts and the manager's API are reached: directly, or through a bastion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installer.spec.contract import BastionOutput
from installer.spec.specification import load
from installer.workflows.session import Session
from tests.unit.spec.documents import aws
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


def test_a_balancer_is_what_others_are_told_first(session: Session) -> None:
    """And then every manager, should it be away."""
    _change(session, endpoint="api.example.org")
    assert session.manager_urls[:2] == ("https://api.example.org:6443", "https://192.0.2.1:6443")


def test_clusters_are_reached_by_their_own_balancer_and_not_by_that_of_the_managers_api(session: Session) -> None:
    """Its address is what kubeconfigs and certificates of clusters have first; the other passes on the API alone."""
    _change(session, endpoint="api.example.org")
    assert session.endpoints == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    _change(session, endpoint="api.example.org", cluster_endpoint="clusters.example.org")
    assert session.endpoints[:2] == ("clusters.example.org", "192.0.2.1")

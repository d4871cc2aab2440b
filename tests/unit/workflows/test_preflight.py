"""Preflight before the first `up`: hosts that exist already are looked at as the specification gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import BundleError, InfrastructureError
from installer.hostops import peers
from installer.hostops.facts import HostFacts
from installer.spec.contract import HostOutput
from installer.spec.specification import load
from installer.workflows import preflight
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import onprem, platform
from tests.unit.workflows import sessions

_HOSTS = (
    "{name: m, role: manager, address: 192.0.2.1, port: 2222, user: ops}, {name: w, role: worker, address: 192.0.2.2}"
)


def test_hosts_that_are_given_by_address_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each at its own address and port, by its own user; what is wrong is told by the same checks as later."""
    path = tmp_path / "platform.yaml"
    path.write_text(onprem(_HOSTS, ssh="{port: 22, bastion: {address: jump.example.org}}"))
    session = sessions.session(load(path), tmp_path)
    asked: dict[str, HostOutput] = {}
    monkeypatch.setattr(type(session), "provided", None)
    monkeypatch.setattr(session, "given_connection", lambda host: asked.setdefault(host.name, host))
    monkeypatch.setattr(preflight.facts, "gather", _seen)
    reached: list[dict[str, Any]] = []
    monkeypatch.setattr(preflight.peers, "reach", lambda connection, others: reached.append(others) or {})

    report = preflight.preflight(session, frozenset())

    assert {name: (host.address, host.port, host.user) for name, host in asked.items()} == {
        "m": ("192.0.2.1", 2222, "ops"),
        "w": ("192.0.2.2", 22, "root"),
    }
    assert asked["m"].bastion is not None
    assert asked["m"].bastion.address == "jump.example.org"
    assert {name: (peer.address, peer.tried) for others in reached for name, peer in others.items()} == {
        "m": ("192.0.2.1", (2222,)),
        "w": ("192.0.2.2", (22,)),
    }
    assert [(r.name, f.host) for r in report.results for f in r.findings] == [("swap", "w")]


def test_all_hosts_are_of_the_platforms_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bundle is looked for, and a host of another one is refused by name."""
    path = tmp_path / "platform.yaml"
    path.write_text(onprem(_HOSTS, spec="  arch: arm64\n"))
    session = sessions.session(load(path), tmp_path)
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path))
    with pytest.raises(BundleError, match="for arm64"):
        session.bundle  # noqa: B018 - that it is asked for is the test
    monkeypatch.setattr(type(session), "provided", None)
    monkeypatch.setattr(session, "given_connection", lambda host: host)
    monkeypatch.setattr(preflight.peers, "reach", lambda connection, others: {})
    monkeypatch.setattr(
        preflight.facts,
        "gather",
        lambda host: facts(arch="arm64", hostname=host.name) if host.name == "m" else _seen(host),
    )
    report = preflight.preflight(session, frozenset())
    found = {result.name: [f.host for f in result.findings] for result in report.results}
    assert found["arch"] == ["w"]
    assert report.failed


def test_hosts_that_are_still_to_be_made_cannot_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is not the same as all well."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    session = sessions.session(load(path), tmp_path)
    monkeypatch.setattr(type(session), "provided", None)
    with pytest.raises(InfrastructureError, match="no hosts to check yet"):
        preflight.preflight(session, frozenset())


@pytest.mark.parametrize("between", ["existing", "wireguard"])
def test_regions_are_tried_at_the_ports_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    """By role; the report says how far they are apart, and the checks which hosts are to encrypt."""
    one = "{name: north, provider: {kind: onprem}, hosts: [{name: m, role: manager, address: 192.0.2.1}]}"
    two = "{name: south, provider: {kind: onprem}, hosts: [{name: w, role: worker, address: 192.0.2.2}]}"
    path = tmp_path / "platform.yaml"
    path.write_text(platform(regions=f"{one}, {two}", spec=f"  manager: {{network: {{between: {between}}}}}\n"))
    session = sessions.session(load(path), tmp_path)
    monkeypatch.setattr(type(session), "provided", None)
    monkeypatch.setattr(session, "given_connection", lambda host: host)
    monkeypatch.setattr(preflight.facts, "gather", _seen)
    tried: dict[str, Any] = {}

    def reach(host: HostOutput, others: dict[str, peers.Peer]) -> dict[str, peers.Reached]:
        tried[host.name] = {name: (peer.tried, peer.size) for name, peer in others.items()}
        return {name: peers.Reached(round_trip_ms=12.5) for name in others}

    monkeypatch.setattr(preflight.peers, "reach", reach)
    report = preflight.preflight(session, frozenset())
    assert tried == {"m": {"w": ((22, 10250), 1500)}, "w": {"m": ((22, 6443), 1500)}}
    assert report.round_trips == {("north", "south"): 12.5}
    lacking = [f.host for r in report.results if r.name == "wireguard" for f in r.findings]
    assert lacking == (["m", "w"] if between == "wireguard" else [])


def _seen(host: HostOutput) -> HostFacts:
    if host.name == "m":
        return facts()
    own = {"hostname": "two", "machine_id": "2" * 32, "addresses": (("eth0", "192.0.2.2/24"),)}
    return facts(**own, swap=2**30)

"""Whom a host tries to reach, and what is made of the answers; the script is run for real on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from installer.hostops.peers import Peer, Place, Reached, chosen, reach

_PING = """#!/bin/sh
[ "$1" != -V ] || {{ echo "{name}"; exit 0; }}
size=16
case "$*" in *"-M do -s "*) size=${{*##*-s }}; size=${{size%% *}} ;; esac
[ "$size" -le {passes} ]
"""


class Here:
    """A connection to this machine."""

    def run(self, script: str, *, payload: bytes, on_line: Callable[[str], None], step: str) -> None:
        done = subprocess.run(["sh", "-c", script], input=payload, capture_output=True, check=True)
        for line in done.stdout.decode().splitlines():
            on_line(line)


class Says:
    """A connection to a host that answers with these lines."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.asked = ""

    def run(self, script: str, *, payload: bytes, on_line: Callable[[str], None], step: str) -> None:
        self.asked = payload.decode()
        for line in self.lines:
            on_line(line)


def reached(connection: Any, **peers: Peer) -> dict[str, Reached]:
    return dict(reach(connection, peers))


def test_who_listens_is_reached_and_timed() -> None:
    """In less than the bound; who refuses was reached as well, but is no SSH server."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        open_, closed = listening.getsockname()[1], silent.getsockname()[1]
        found = reached(
            Here(),
            well=Peer(address="127.0.0.1", ssh_port=open_, ports=(closed, open_)),
            ill=Peer(address="127.0.0.1", ssh_port=closed),
        )
    assert found["well"].problem == ""
    assert 0 < (found["well"].round_trip_ms or 0) < 3000
    assert found["ill"] == Reached(problem=f"port {closed}: connection refused")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["port a 22 0 took 1500", "port a 6443 0 took 900"], Reached(round_trip_ms=0.9)),
        (
            ["port a 22 0 took 1500", "port a 6443 124"],
            Reached(problem="port 6443: no answer within 3 s", round_trip_ms=1.5),
        ),
        (["port a 22 0 took 1500"], Reached(problem="port 6443: it could not be tried (status ?)", round_trip_ms=1.5)),
        (
            ["port a 22 127 timeout: failed to run command", "port a 6443 0 took 0"],
            Reached(problem="port 22: it could not be tried (status 127)", round_trip_ms=0),
        ),
        (
            [
                "port a 22 1 probe: connect: No route to host probe: line 1: /dev/tcp/x: No route to host took 9",
                "port a 6443 1 probe: connect: Connection refused probe: line 1: x: Connection refused took 700",
            ],
            Reached(problem="port 22: no route to host", round_trip_ms=0.7),
        ),
    ],
)
def test_what_is_made_of_answers(lines: Sequence[str], found: Reached) -> None:
    """What failed is named with its port; a round trip is one of an answer."""
    said = Says(*lines)
    assert reached(said, a=Peer(address="192.0.2.1", ssh_port=22, ports=(6443,))) == {"a": found}
    assert said.asked == "port a 192.0.2.1 22\nport a 192.0.2.1 6443\n"


@pytest.mark.parametrize(
    ("lines", "carries"), [([], None), (["size a 1500"], 1500), (["size a 1400"], 1400), (["size a 0"], 0)]
)
def test_the_largest_packet_that_passes(lines: Sequence[str], carries: int | None) -> None:
    """Where pings do not, nobody can tell; what others say in between is none of it."""
    said = Says("sh: 1: a warning", "", "port a 22 0 took 1500", *lines)
    assert reached(said, a=Peer(address="192.0.2.1", ssh_port=22, size=1500))["a"].carries == carries
    assert said.asked == "port a 192.0.2.1 22\nsize a 192.0.2.1 1500\n"


def test_sizes_are_tried_from_the_largest_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a ping that lets no packet be cut; the first that passes counts. Another ping than iputils' is not asked."""
    ping = tmp_path / "ping"
    ping.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    peer = Peer(address="127.0.0.1", ssh_port=1, size=1500)
    for passes, carries in ((1472, 1500), (1371, 1350), (16, 0), (0, None)):
        ping.write_text(_PING.format(name="ping from iputils", passes=passes))
        assert reached(Here(), a=peer)["a"].carries == carries
    ping.write_text(_PING.format(name="BusyBox", passes=1472))
    assert reached(Here(), a=peer)["a"].carries is None


def places(**regions: str) -> list[Place]:
    """Hosts of each region, a letter each: m, w, d."""
    roles: dict[str, Any] = {"m": "manager", "w": "worker", "d": "dedicated"}
    return [
        Place(name=f"{region}-{letter}{number}", role=roles[letter], region=region)
        for region, letters in regions.items()
        for number, letter in enumerate(letters)
    ]


@pytest.mark.parametrize(
    ("hosts", "name", "tries"),
    [
        (places(a="m"), "a-m0", set()),
        (places(a="mww"), "a-w1", {"a-m0", "a-w2"}),
        (places(a="mw", b="w"), "b-w0", {"a-m0", "a-w1"}),
        (places(a="mm", b="wwwwwm"), "a-m0", {"a-m1", "b-w0", "b-w1", "b-w2", "b-m5"}),
        (places(a="mm", b="wwwwwm"), "a-m1", {"a-m0", "b-w3", "b-w4", "b-m5"}),
    ],
)
def test_whom_a_host_tries(hosts: Sequence[Place], name: str, tries: set[str]) -> None:
    """All managers and its neighbours; of other regions three more, each host others."""
    assert set(chosen(hosts)[name]) == tries


def test_many_hosts_do_not_all_try_each_other() -> None:
    """A hundred hosts in three regions: every one is tried by others of each region, and none by too many."""
    hosts = places(a="mmm" + "w" * 37, b="w" * 30, c="w" * 30)
    found = chosen(hosts)
    tried = Counter((other, name[0]) for name, others in found.items() for other in others)
    assert all(tried[host.name, region] for host in hosts for region in "abc")
    assert max(len(others) for others in found.values()) <= 31 + 2 * 3 + 3

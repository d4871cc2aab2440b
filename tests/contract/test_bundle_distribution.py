"""Distribution to real hosts: systemd, sshd and our own program on local hosts, with a bundle of a few small files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from installer.bundle.build import Builder, plan
from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.distribute import PORT, distribute
from installer.bundle.release import load_release
from installer.bundle.store import Store
from installer.core import cache
from installer.core.errors import InstallerError
from installer.core.secret import Secret
from installer.provision.local import machine, network, rootfs
from installer.transport import connection
from installer.transport.connection import Connection, connect, dial
from installer.transport.errors import ConnectionLostError
from installer.transport.fleet import Fleet
from installer.transport.target import Target
from tests.e2e.platform_under_test import podman

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("podman") is None or os.getuid() != 0, reason="local hosts need podman and root"),
]

PLATFORM = "t-bundle"
_PROGRAM = "bin/moorage-host"
HOSTS = ("one", "two", "three")


def key_pair() -> tuple[str, str]:
    """A key as OpenSSH writes it, and its public half."""
    key = Ed25519PrivateKey.generate()
    openssh = serialization.Encoding.OpenSSH
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return private.decode(), key.public_key().public_bytes(openssh, serialization.PublicFormat.OpenSSH).decode()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Connection]]:
    """Local hosts that are connected, and gone afterwards."""
    folder = tmp_path_factory.mktemp("hosts")
    (private, public), (host_private, host_public) = key_pair(), key_pair()
    found: dict[str, Connection] = {}
    try:
        addresses = network.create(PLATFORM, PLATFORM)
        for number, name in enumerate(HOSTS, start=10):
            wanted = machine.Machine(
                container=f"{PLATFORM}-{name}",
                hostname=name,
                network=PLATFORM,
                address=str(addresses[number]),
                folder=folder / name,
                rootfs=rootfs.ensure(cache.root()),
                routes=(),
                public_key=public,
                host_key=host_private,
            )
            machine.create(wanted)
            found[name] = dial(
                Target(name=name, address=str(addresses[number]), host_key=host_public, key=Secret(private))
            )
        yield found
    finally:
        for made in found.values():
            made.close()
        for name in HOSTS:
            machine.delete(f"{PLATFORM}-{name}", folder / name)
        network.delete(PLATFORM)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def program(store: Store) -> Artefact:
    """The program that hosts serve and fetch with, as the bundle has it; built first where it is not there yet."""
    items = [item for item in plan(load_release("2026.11"), arch="amd64", source="source") if _PROGRAM in item.outputs]
    made = Builder(cache.root(), lambda event: None).run(items)[_PROGRAM]
    with made.open("rb") as content:
        return Artefact(_PROGRAM, store.add(content), made.stat().st_size)


def bundle(store: Store, program: Artefact, **contents: str) -> Bundle:
    """A bundle of the program and of small files in bin/."""
    artefacts = [program]
    for name, content in contents.items():
        with store.scratch() as scratch:
            scratch.write_text(content)
            artefacts.append(Artefact(f"bin/{name}", store.move_in(scratch), len(content)))
    return Bundle("2026.11", "amd64", tuple(artefacts), store)


def bring(wanted: Bundle, hosts: Mapping[str, Connection]) -> list[str]:
    told: list[str] = []
    distribute(wanted, {name: host.target.address for name, host in hosts.items()}, hosts.__getitem__, told.append)
    return told


def on(host: Connection, script: str) -> str:
    return "\n".join(host.run(script).tail)


def uploads(told: list[str]) -> list[str]:
    return [line for line in told if ": sending " in line]


def test_every_host_has_the_release(hosts: Mapping[str, Connection], store: Store, program: Artefact) -> None:
    """The same files, linked from the store; one host was sent them, and nothing of the transfer stays."""
    wanted = bundle(store, program, etcd="etcd" * 100_000, runc="runc")
    told = bring(wanted, hosts)
    assert len(uploads(told)) == len(wanted.artefacts)
    assert len({line.split(":")[0] for line in uploads(told)}) == 1
    for host in hosts.values():
        assert on(host, "ls -A /opt/moorage/releases") == wanted.digest
        release = f"/opt/moorage/releases/{wanted.digest}"
        sums = on(host, f"cd {release} && sha256sum bin/etcd bin/moorage-host bin/runc").split()
        assert sums[::2] == [a.sha256 for a in sorted(wanted.artefacts)]
        assert on(host, f"stat -c '%a %h' {release}/bin/etcd") == "555 2"
        assert on(host, f"{release}/bin/moorage-host serve --help 2>&1 | head -n 1") == "Usage of serve:"
        assert on(host, "ls -A /run/moorage 2>/dev/null; ls -d /run/moorage-fetch.* 2>/dev/null || true") == ""
        assert on(host, f"ss -Hltn 'sport = :{PORT}'") == ""
    assert uploads(bring(wanted, hosts)) == []


def test_a_host_that_is_cut_off_gets_it_from_its_neighbours_later(
    hosts: Mapping[str, Connection], store: Store, program: Artefact
) -> None:
    """Nothing but what is new is sent to a region, and only once."""
    wanted = bundle(store, program, etcd="etcd 2" * 100_000, runc="runc")
    told = bring(wanted, {name: hosts[name] for name in ("one", "two")})
    assert [line.split()[2] for line in uploads(told)] == ["bin/etcd,"]
    assert uploads(bring(wanted, hosts)) == []
    assert wanted.digest in on(hosts["three"], "ls /opt/moorage/releases")


def test_a_damaged_file_of_a_release_is_made_good(
    hosts: Mapping[str, Connection], store: Store, program: Artefact
) -> None:
    """A host whose release is brought again reads every file of it."""
    wanted = bundle(store, program, etcd="etcd 3" * 100_000)
    bring(wanted, hosts)
    etcd = next(a for a in wanted.artefacts if a.path == "bin/etcd")
    release = f"/opt/moorage/releases/{wanted.digest}"
    # One byte is another one, and the release is not there yet, as after a crash.
    damage = f"printf X | dd of=/opt/moorage/store/{etcd.sha256} conv=notrunc status=none; rm -r {release}"
    on(hosts["two"], damage)
    assert uploads(bring(wanted, hosts)) == []
    assert on(hosts["two"], f"sha256sum {release}/bin/etcd").split()[0] == etcd.sha256


def test_a_link_that_breaks_goes_on_in_the_middle_of_a_file(
    hosts: Mapping[str, Connection], store: Store, program: Artefact
) -> None:
    """Over a slow link, whose connection breaks twice: what is there is not sent again, and what arrives is right."""
    wanted = bundle(store, program, etcd="etcd 5" * 2_000_000)
    fleet, told, target = Fleet(), list[str](), hosts["one"].target

    def tell(text: str) -> None:
        """Break the link, twice, once something of the file is on its way."""
        told.append(text)
        if "sending bin/etcd" in text and len(told) > 2 and len([line for line in told if "again in" in line]) < 2:
            fleet.connection(target).close()

    try:
        distribute(wanted, {"one": target.address}, lambda _: fleet.connection(target), tell, bytes_per_s=2e6)
    finally:
        fleet.close()
    etcd = next(a for a in wanted.artefacts if a.path == "bin/etcd")
    assert on(hosts["one"], f"sha256sum /opt/moorage/releases/{wanted.digest}/bin/etcd").split()[0] == etcd.sha256
    assert len([line for line in told if "the connection was lost; again in" in line]) == 2
    whole = sum(artefact.size for artefact in wanted.artefacts) / 1e6
    begun = [line for before, line in pairwise(told) if "again in" in before]
    assert [whole - 11 < int(line.split()[3]) < whole for line in begun] == [True, True], told
    assert on(hosts["one"], "ls /opt/moorage/store/*.part 2>/dev/null || true") == ""


def test_a_link_that_carries_nothing_any_more_is_noticed(
    hosts: Mapping[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody closes it: packets are lost, as behind a radio that is off, while both sides only wait."""
    monkeypatch.setattr(connection, "KEEPALIVE_S", 1)
    monkeypatch.setattr(connection, "DEAD_AFTER_S", 2)
    dead = "table inet dead { chain come { type filter hook input priority 0; tcp dport 22 drop; }; }"
    with connect(hosts["three"].target) as silent:
        podman("exec", "--interactive", f"{PLATFORM}-three", "nft", "-f", "-", stdin=dead.encode())
        started = time.monotonic()
        try:
            with pytest.raises(ConnectionLostError):
                silent.run("sleep 60")
        finally:
            podman("exec", f"{PLATFORM}-three", "nft", "delete", "table", "inet", "dead")
    assert time.monotonic() - started < 20


def test_a_host_without_room_is_named(hosts: Mapping[str, Connection], store: Store, program: Artefact) -> None:
    """With what it says itself; the others have the release."""
    wanted = bundle(store, program, etcd="etcd 4" * 100_000)
    on(hosts["three"], "mount -t tmpfs -o size=64k,nr_inodes=64 tmpfs /opt/moorage/store")
    try:
        with pytest.raises(InstallerError) as caught:
            bring(wanted, hosts)
    finally:
        on(hosts["three"], "umount /opt/moorage/store")
    assert caught.value.host == "three"
    assert "No space left" in caught.value.explain()
    for name in ("one", "two"):
        assert wanted.digest in on(hosts[name], "ls /opt/moorage/releases")

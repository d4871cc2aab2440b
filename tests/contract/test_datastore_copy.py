"""`moorage-datastore` between two real etcds on the loopback: what is written meanwhile is all there afterwards."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.bundle.bundle import Bundle
from installer.controller.datastores import etcdctl
from installer.controller.datastores.copy import Copy
from installer.controller.datastores.etcdctl import Etcdctl, EtcdError
from installer.kubernetes import datastore, pki

pytestmark = pytest.mark.e2e  # it needs a bundle

TENANT = datastore.Tenant("a")
_WAIT_S = 60


@dataclass
class Etcd:
    """A single member that knows its users, and how it is asked."""

    ctl: Etcdctl
    process: subprocess.Popen[bytes]

    def run(self, *words: str) -> str:
        return self.ctl._run(words)

    def keys(self, prefix: str) -> dict[str, tuple[str, bool]]:
        """Key -> its value, and whether it ends by itself; in base64."""
        found = json.loads(self.run("get", prefix, "--prefix", "-w", "json")).get("kvs", ())
        return {pair["key"]: (pair["value"], "lease" in pair) for pair in found}

    @property
    def revision(self) -> int:
        return int(json.loads(self.run("get", "none", "-w", "json"))["header"]["revision"])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Paths of the bundle's programs; etcdctl is one of them."""
    bundle = Bundle.load("2026.11")
    monkeypatch.setattr(etcdctl, "_PROGRAM", str(bundle.path("bin/etcdctl")))
    return lambda name: str(bundle.path(f"bin/{name}"))


@pytest.fixture
def etcds(tmp_path: Path, programs: Callable[[str], str]) -> Iterator[tuple[Etcd, Etcd]]:
    """Source and destination, of authorities of their own."""
    with ExitStack() as stack:
        yield tuple(_etcd(tmp_path / name, programs("etcd"), stack) for name in ("source", "destination"))  # type: ignore[misc]


def _etcd(folder: Path, program: str, stack: ExitStack) -> Etcd:
    authority = pki.new_ca(folder.name)
    client, peer = _free_port(), _free_port()
    folder.mkdir()
    member = authority.issue(pki.Subject("member", names=("127.0.0.1",), server=True, client=True))
    (folder / "ca.crt").write_text(authority.cert_pem)
    (folder / "member.crt").write_text(member.cert_pem)
    (folder / "member.key").write_text(member.key_pem.reveal())
    argv = [
        *(program, "--data-dir", str(folder / "data"), "--unsafe-no-fsync", "--log-level=error"),
        *(f"--listen-client-urls=https://127.0.0.1:{client}", f"--advertise-client-urls=https://127.0.0.1:{client}"),
        *(f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        *(f"--trusted-ca-file={folder}/ca.crt", f"--cert-file={folder}/member.crt", f"--key-file={folder}/member.key"),
        "--client-cert-auth",
    ]
    process = subprocess.Popen(argv)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    ctl = Etcdctl(["127.0.0.1"], authority, folder / "client")
    ctl.servers = (f"https://127.0.0.1:{client}",)
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            ctl.run_all(datastore.guarding())
            break
        except EtcdError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    return Etcd(ctl, process)


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _copy(etcds: tuple[Etcd, Etcd], programs: Callable[[str], str]) -> Copy:
    source, destination = etcds
    return Copy(source.ctl, destination.ctl, TENANT.prefix, program=programs("moorage-datastore"))


def test_what_is_written_meanwhile_is_there_afterwards(
    etcds: tuple[Etcd, Etcd], programs: Callable[[str], str]
) -> None:
    """Old keys, new ones, changed and deleted ones, those that end by themselves; other clusters' are let be."""
    source, destination = etcds
    old = 120  # more than a page
    for number in range(old):
        source.run("put", f"{TENANT.prefix}old/{number}", f"value {number}")
    lease = json.loads(source.run("lease", "grant", "600", "-w", "json"))["ID"]
    source.run("put", f"{TENANT.prefix}event", "soon gone", f"--lease={lease:x}")
    source.run("put", "/clusters/ab/other", "not ours")
    destination.run("put", f"{TENANT.prefix}left", "from an earlier try")
    destination.run("put", "/clusters/b/theirs", "stays")
    source.ctl.run_all(datastore.tenants_role(TENANT))
    copy = _copy(etcds, programs)
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            source.run("put", f"{TENANT.prefix}new/{written}", "x")
            source.run("put", f"{TENANT.prefix}old/0", f"changed {written}")
            source.run("del", f"{TENANT.prefix}old/1")
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _until(lambda: copy.progress().caught_up and written > 10)
    finally:
        stop.set()
        writer.join()
    source.ctl.run_all(datastore.locking(TENANT))
    done = copy.finish(timeout_s=_WAIT_S)
    wanted = source.keys(TENANT.prefix)
    assert destination.keys(TENANT.prefix) == wanted
    assert done.keys == len(wanted) == old - 1 + 1 + written
    assert destination.revision > source.revision
    others = [*destination.keys("/clusters/b/"), *destination.keys("/moorage/")]
    assert len(others) == 1


def test_the_destinations_revision_rises_beyond_the_sources(
    etcds: tuple[Etcd, Etcd], programs: Callable[[str], str]
) -> None:
    """Or clients that have seen the source would wait for what has long been told."""
    source, destination = etcds
    source.run("put", f"{TENANT.prefix}one", "1")
    raised = Copy(destination.ctl, source.ctl, "/nothing/", program=programs("moorage-datastore"))
    _until(lambda: raised.progress().caught_up)
    raised.stop()
    assert source.revision >= destination.revision
    copy = _copy(etcds, programs)
    _until(lambda: copy.progress().caught_up)
    copy.finish(timeout_s=_WAIT_S)
    assert destination.revision > source.revision


def test_a_copy_that_fails_says_why(etcds: tuple[Etcd, Etcd], programs: Callable[[str], str]) -> None:
    """The destination is gone: an error, no silence."""
    source, destination = etcds
    source.run("put", f"{TENANT.prefix}one", "1")
    copy = _copy(etcds, programs)
    _until(lambda: copy.progress().caught_up)
    destination.process.kill()
    source.run("put", f"{TENANT.prefix}two", "2")
    with pytest.raises(EtcdError, match="the copy to another datastore"):
        copy.finish(timeout_s=10)


def test_a_copy_ends_with_whoever_started_it(etcds: tuple[Etcd, Etcd], programs: Callable[[str], str]) -> None:
    """A controller that is killed leaves nobody behind who writes."""
    copy = _copy(etcds, programs)
    _until(lambda: copy.progress().caught_up)
    assert copy._process.stdin is not None
    copy._process.stdin.close()
    assert copy._process.wait(_WAIT_S) != 0
    with pytest.raises(EtcdError, match="ended") as caught:
        copy.progress()
    assert "standard input ended" in " ".join(caught.value.last_lines)

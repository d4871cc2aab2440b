"""Distribution: one upload a region, then from host to host; each failure has its host's name."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from installer.bundle.bundle import Bundle
from installer.bundle.distribute import PORT, distribute
from installer.core.errors import BundleError, InstallerError
from installer.transport.connection import Event, Readable, Result, ignore_event
from installer.transport.errors import ConnectionLostError, ScriptError, UnreachableError
from tests.unit.bundle.test_bundle import make
from tests.unit.core.test_clock import FakeClock


class Region:
    """Hosts that act as the scripts of a distribution would make them; other scripts fail the test."""

    def __init__(self, bundle: Bundle, count: int) -> None:
        self.bundle = bundle
        self.hosts = {f"host-{number}": Host(self, f"host-{number}") for number in range(count)}
        self.log: list[str] = []
        self.fetched: list[tuple[str, str]] = []  # host, from which
        self.guard = threading.Lock()
        self.clock = FakeClock()
        self.bytes_per_s: float | None = None

    def distribute(self, *names: str) -> list[str]:
        """Run it on the hosts named, else on all; returns what was told."""
        told: list[str] = []
        distribute(
            self.bundle,
            {name: name for name in names or self.hosts},
            self._connect,
            told.append,
            bytes_per_s=self.bytes_per_s,
            clock=self.clock,
        )
        return told

    def _connect(self, name: str) -> Any:
        self.hosts[name].before_connect()
        return self.hosts[name]

    @property
    def uploads(self) -> list[str]:
        return [line for line in self.log if line.startswith("put ")]

    @property
    def complete(self) -> set[str]:
        return {name for name, host in self.hosts.items() if host.releases == {self.bundle.digest}}


class Host:
    def __init__(self, region: Region, name: str) -> None:
        self.region = region
        self.name = name
        self.store: dict[str, int] = {}
        self.parts: dict[str, bytes] = {}  # of files that a broken transfer began
        self.breaks_after: list[int] = []  # bytes of an upload, each time
        self.rotten: set[str] = set()  # files that have the right size but not the right content
        self.releases: set[str] = set()
        self.serving: dict[str, str] | None = None
        self.before_connect: Callable[[], None] = lambda: None
        self.before_fetch: Callable[[], None] = lambda: None
        self.before_survey: Callable[[], None] = lambda: None
        self.before_serve: Callable[[], None] = lambda: None
        self.before_receive: Callable[[], None] = lambda: None

    def put(self, source: BinaryIO, path: str, *, sha256: str, mode: int) -> None:
        assert path == f"/opt/moorage/store/{sha256}"
        assert mode == 0o555
        with self.region.guard:
            self.region.log.append(f"put {self.name} {sha256}")
        self.store[sha256] = len(b"".join(iter(lambda: source.read(3), b"")))
        self.rotten.discard(sha256)

    def run(
        self,
        script: str,
        *,
        payload: Any = b"",
        on_event: Callable[[Event], None] = ignore_event,
        step: str,
        timeout_s: float = 0,
    ) -> Result:
        if "moorage-host" in script:
            raise AssertionError("a program is called by its digest, which alone says that it is right")
        if "while read" in script:
            self._survey(script, payload.decode(), on_event)
        elif " receive " in script:
            self._receive(script, payload)
        elif " fetch " in script:
            self._fetch(script, payload, on_event)
        elif "systemd-run" in script:
            self._serve(script, payload)
        elif script.startswith("systemctl stop"):
            self.serving = None
        else:
            raise AssertionError(f"an unknown script:\n{script}")
        return Result(0, ())

    def _survey(self, script: str, wanted: str, on_event: Callable[[Event], None]) -> None:
        self.before_survey()
        for line in wanted.splitlines():
            sha256, size = line.split()
            if self.store.get(sha256) != int(size):
                on_event({"lacks": sha256, "have": len(self.parts.get(sha256, b""))})
        for release in self.releases:
            if release in script:
                on_event({"release": release})

    def _receive(self, script: str, payload: Readable) -> None:
        self.before_receive()
        self._runs_program(script)
        stream = b"".join(iter(lambda: payload.read(3), b""))
        breaks = self.breaks_after.pop(0) if self.breaks_after else None
        stream = stream[:breaks]
        while stream:
            head, _, stream = stream.partition(b"\n")
            sha256, size, start = head.decode().split()
            content, stream = stream[: int(size) - int(start)], stream[int(size) - int(start) :]
            whole = self.parts.pop(sha256, b"")[: int(start)] + content
            with self.region.guard:
                self.region.log.append(f"put {self.name} {sha256}" + (f" from {start}" if int(start) else ""))
            if len(whole) < int(size):
                self.parts[sha256] = whole
                break
            if hashlib.sha256(whole).hexdigest() != sha256:
                raise ScriptError("arrived with another digest", host=self.name)
            self.store[sha256] = len(whole)
            self.rotten.discard(sha256)
        if breaks is not None:
            raise ConnectionLostError("the connection was lost", host=self.name)

    def _fetch(self, script: str, payload: bytes, on_event: Callable[[Event], None]) -> None:
        self.before_fetch()
        self._runs_program(script)
        size = int(re.findall(r"head -c (\d+)", script)[0])
        manifest, given = json.loads(payload[:size]), json.loads(payload[size:])
        source = self._source(script, given)
        for sha256 in self.rotten:
            self.store.pop(sha256, None)
        self.rotten.clear()
        for entry in manifest["artefacts"]:
            if entry["sha256"] in self.store:
                continue
            if source is None or entry["sha256"] not in source.store:
                raise ScriptError(f"{entry['path']} is missing", host=self.name)
            self.store[entry["sha256"]] = entry["size"]
        on_event({"event": "transfer", "done": 10, "total": 10})
        self.releases.add(self.region.bundle.digest)

    def _source(self, script: str, given: dict[str, str]) -> Host | None:
        found = re.findall(rf"--from=https://([a-z0-9-]+):{PORT}\b", script)
        if not found:
            return None
        source = self.region.hosts[found[0]]
        with self.region.guard:
            self.region.fetched.append((self.name, source.name))
        assert "key" not in given, "only who serves needs the key"
        assert source.serving is not None, f"{source.name} does not serve"
        assert (given["token"], given["certificate"]) == (source.serving["token"], source.serving["certificate"])
        return source

    def _serve(self, script: str, payload: bytes) -> None:
        self.before_serve()
        self._runs_program(script)
        self.serving = json.loads(payload)
        assert self.serving["token"] not in script
        assert "PRIVATE KEY" in self.serving["key"]

    def _runs_program(self, script: str) -> None:
        program = re.findall(r"/opt/moorage/store/([0-9a-f]{64})", script)
        assert program, script
        assert program[0] in self.store, f"{self.name} does not have the program yet"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of three files."""
    return make(tmp_path, **{"bin__moorage-host": "program", "bin__etcd": "etcd", "images__pause.tar": "pause"})


def sha256(bundle: Bundle, path: str) -> str:
    return next(artefact.sha256 for artefact in bundle.artefacts if artefact.path == path)


def always(error: InstallerError) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def once(error: InstallerError) -> Callable[[], None]:
    errors: Iterator[InstallerError] = iter([error])

    def act() -> None:
        for one in errors:
            raise one

    return act


def test_the_bundle_is_sent_to_one_host_and_handed_on(bundle: Bundle) -> None:
    """The others are sent nothing but the program that fetches."""
    region = Region(bundle, 9)
    region.distribute()
    assert region.complete == set(region.hosts)
    program = sha256(bundle, "bin/moorage-host")
    sent = [line.split()[1:] for line in region.uploads]
    first = sent[0][0]
    assert {digest for host, digest in sent if host == first} == {a.sha256 for a in bundle.artefacts}
    assert {digest for host, digest in sent if host != first} == {program}
    assert {host for host, _ in region.fetched} == set(region.hosts) - {first}


def test_hosts_that_got_the_bundle_hand_it_on(bundle: Bundle) -> None:
    """So that their number doubles, and the first one is not asked by all."""
    region = Region(bundle, 16)
    region.distribute()
    assert len({server for _, server in region.fetched}) > 1


def test_nobody_serves_when_it_is_over(bundle: Bundle) -> None:
    """Whether it went well or not."""
    region = Region(bundle, 4)
    region.distribute()
    assert [host.serving for host in region.hosts.values()] == [None] * 4
    broken = Region(bundle, 4)
    broken.hosts["host-3"].before_fetch = always(ScriptError("no space"))
    with pytest.raises(InstallerError):
        broken.distribute()
    assert [host.serving for host in broken.hosts.values()] == [None] * 4


def test_a_second_distribution_sends_nothing(bundle: Bundle) -> None:
    """It only looks."""
    region = Region(bundle, 3)
    region.distribute()
    region.log.clear()
    region.fetched.clear()
    assert region.distribute() == []
    assert (region.log, region.fetched) == ([], [])


def test_a_new_host_gets_the_bundle_from_its_neighbours(bundle: Bundle) -> None:
    """A region that has the bundle is not sent it again."""
    region = Region(bundle, 3)
    region.distribute("host-0", "host-1")
    region.log.clear()
    region.fetched.clear()
    region.distribute()
    assert region.complete == set(region.hosts)
    assert region.uploads == [f"put host-2 {sha256(bundle, 'bin/moorage-host')}"]
    assert [host for host, _ in region.fetched] == ["host-2"]


def test_what_a_broken_transfer_left_is_not_sent_again(bundle: Bundle) -> None:
    """The host that lacks least is the first."""
    region = Region(bundle, 2)
    region.hosts["host-1"].store = {a.sha256: a.size for a in bundle.artefacts if a.path != "bin/etcd"}
    region.distribute()
    assert f"put host-1 {sha256(bundle, 'bin/etcd')}" in region.uploads
    assert [line for line in region.uploads if "host-1" in line] == [f"put host-1 {sha256(bundle, 'bin/etcd')}"]


def test_a_damaged_file_on_the_first_host_is_sent_again(bundle: Bundle) -> None:
    """Its size does not tell; the check before a release is laid out does."""
    region = Region(bundle, 1)
    host = region.hosts["host-0"]
    host.store = {artefact.sha256: artefact.size for artefact in bundle.artefacts}
    host.rotten = {sha256(bundle, "bin/etcd")}
    region.distribute()
    assert region.uploads == [f"put host-0 {sha256(bundle, 'bin/etcd')}"]
    assert region.complete == {"host-0"}


def test_a_host_that_fails_is_named_and_the_others_have_the_bundle(bundle: Bundle) -> None:
    """Its own error is what is raised."""
    region = Region(bundle, 5)
    region.hosts["host-3"].before_fetch = always(ScriptError("no space left on device"))
    with pytest.raises(ScriptError, match="no space left") as caught:
        region.distribute()
    assert caught.value.host == "host-3"
    assert region.complete == set(region.hosts) - {"host-3"}


def test_several_hosts_that_fail_are_all_named(bundle: Bundle) -> None:
    """With what each of them says."""
    region = Region(bundle, 5)
    region.hosts["host-1"].before_survey = always(UnreachableError("is down"))
    region.hosts["host-3"].before_fetch = always(ScriptError("no space left on device"))
    with pytest.raises(BundleError, match="2 of 5 hosts") as caught:
        region.distribute()
    assert "host-1: is down" in caught.value.last_lines
    assert "host-3: no space left on device" in caught.value.last_lines
    assert region.complete == set(region.hosts) - {"host-1", "host-3"}


def test_where_the_first_host_fails_another_is_the_first(bundle: Bundle) -> None:
    """One broken host does not keep a region waiting."""
    region = Region(bundle, 3)
    region.hosts["host-0"].before_fetch = always(ScriptError("no space left on device"))
    with pytest.raises(ScriptError) as caught:
        region.distribute()
    assert caught.value.host == "host-0"
    assert region.complete == {"host-1", "host-2"}


def test_where_the_first_host_cannot_be_sent_it_another_is_the_first(bundle: Bundle) -> None:
    """What it says is told."""
    region = Region(bundle, 3)
    region.hosts["host-0"].before_receive = always(ScriptError("no space left on device"))
    with pytest.raises(ScriptError, match="no space left") as caught:
        region.distribute()
    assert caught.value.host == "host-0"
    assert region.complete == {"host-1", "host-2"}


def test_a_host_that_cannot_be_served_by_one_is_served_by_another(bundle: Bundle) -> None:
    """A second try is another host's turn."""
    region = Region(bundle, 3)
    region.distribute("host-0", "host-1")
    region.hosts["host-0"].before_serve = always(ScriptError("port in use"))
    region.distribute()
    assert region.complete == set(region.hosts)
    assert region.fetched[-1] == ("host-2", "host-1")


def test_a_transfer_that_fails_once_is_tried_again(bundle: Bundle) -> None:
    """A network that was cut for a moment is no failure."""
    region = Region(bundle, 2)
    region.hosts["host-1"].before_fetch = once(ScriptError("the connection was reset"))
    region.distribute()
    assert region.complete == set(region.hosts)


def test_where_no_host_can_be_asked_all_are_named(bundle: Bundle) -> None:
    """Nothing is sent then."""
    region = Region(bundle, 2)
    for host in region.hosts.values():
        host.before_survey = always(UnreachableError("is down"))
    with pytest.raises(BundleError, match="2 of 2 hosts"):
        region.distribute()
    assert region.log == []


def test_without_hosts_there_is_nothing_to_do(bundle: Bundle) -> None:
    """An empty region is no fault."""
    assert Region(bundle, 0).distribute() == []


def test_progress_names_the_host_and_how_far_it_is(bundle: Bundle) -> None:
    """One line a message."""
    told = Region(bundle, 2).distribute()
    assert any(re.fullmatch(r"host-0: sending \S+, \d+ of \d+ MB are there", line) for line in told)
    assert any(line.startswith("host-1: ") and line.endswith(", from host-0") for line in told)


# --- poor links -----------------------------------------------------------------------------------------------------


def test_a_link_that_breaks_goes_on_where_it_stopped(bundle: Bundle) -> None:
    """In the middle of a file, twice; what is there is not sent again, and everything is told."""
    region = Region(bundle, 1)
    host = region.hosts["host-0"]
    host.breaks_after = [len(sha256(bundle, "bin/etcd")) + len(" 4 0\n") + 3, 0]
    told = region.distribute()
    assert region.complete == {"host-0"}
    assert f"put host-0 {sha256(bundle, 'bin/etcd')} from 3" in region.uploads
    assert len([line for line in region.uploads if sha256(bundle, "bin/moorage-host") in line]) == 1
    waits = [line for line in told if "again in" in line]
    assert waits == [f"host-0: the connection was lost; again in {pause} s" for pause in (1, 1)]


def test_a_link_that_stays_broken_is_given_up(bundle: Bundle) -> None:
    """After minutes without a byte; what arrived stays for the next run, and another host is tried."""
    region = Region(bundle, 2)
    region.hosts["host-0"].breaks_after = [0] * 20
    with pytest.raises(ConnectionLostError) as caught:
        region.distribute()
    assert caught.value.host == "host-0"
    assert 180 < region.clock.time < 300
    assert region.complete == {"host-1"}


def test_a_host_that_is_away_for_a_while_is_waited_for(bundle: Bundle) -> None:
    """A link that breaks is not there again at once."""
    region = Region(bundle, 1)
    host = region.hosts["host-0"]
    host.breaks_after = [0]
    away = iter([None, None, None, *[UnreachableError("no answer", host="host-0")] * 3])

    def connect() -> None:
        if error := next(away, None):
            raise error

    host.before_connect = connect
    told = region.distribute()
    assert region.complete == {"host-0"}
    assert [line.rsplit(" ", 2)[1] for line in told if "again in" in line] == ["1", "2", "5", "10"]


def test_a_beginning_that_is_damaged_is_sent_anew(bundle: Bundle) -> None:
    """As after a crash of the host: the digest of the whole tells, and only once is it tried again."""
    region = Region(bundle, 1)
    host = region.hosts["host-0"]
    host.parts = {sha256(bundle, "bin/etcd"): b"XX"}
    region.distribute()
    assert region.complete == {"host-0"}
    etcd = sha256(bundle, "bin/etcd")
    assert [line for line in region.uploads if etcd in line] == [f"put host-0 {etcd} from 2", f"put host-0 {etcd}"]


def test_a_beginning_longer_than_the_file_counts_for_nothing(bundle: Bundle) -> None:
    """Nobody knows what it is of."""
    region = Region(bundle, 1)
    region.hosts["host-0"].parts = {sha256(bundle, "bin/etcd"): b"far too long"}
    region.distribute()
    assert f"put host-0 {sha256(bundle, 'bin/etcd')}" in region.uploads


def test_a_link_is_used_no_more_than_allowed(bundle: Bundle) -> None:
    """By all that is sent to a region together: the files once, the program to each other host."""
    region = Region(bundle, 3)
    region.bytes_per_s = 2
    region.distribute()
    sent = sum(artefact.size for artefact in bundle.artefacts) + 2 * len("program")
    assert region.clock.time >= sent / 2

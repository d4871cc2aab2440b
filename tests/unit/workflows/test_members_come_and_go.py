"""Managers that join and leave, on hosts and an etcd that are made up: killed after every act, from any number to any.

The playbook, the engine, the steps, the guard and what is asked of etcd are the real ones; etcd answers as the real one
does, and refuses what that refuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.core.errors import HostError, InstallerError
from installer.engine import runner
from installer.engine.events import Silent
from installer.engine.journal import Journal
from installer.engine.plan import Target
from installer.engine.playbook import Playbook, shipped
from installer.hostops.diff import Act, HostChange
from installer.hostops.facts import HostFacts, Manifest
from installer.kubernetes import host as manager_host
from installer.kubernetes import members
from installer.kubernetes.client import ApiUnavailableError
from installer.spec.leaving import keeping
from installer.spec.specification import Specification, load
from installer.transport.errors import UnreachableError
from installer.workflows import (
    changing,
    etcd_members,
    host_changes,
    host_drain,
    leaving,
    releases,
    steps,  # noqa: F401 - they are registered
)
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session
from installer.workflows.steps.leave_host import ForgetHost, LeaveHost
from tests.fakes.kubernetes import Killed, Life
from tests.unit.engine.world import FakeClock
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_releases import NEW

_PHASES = ("hosts", "lost", "join", "leave", "managers", "release")
_RUNS = 8
_BLANK = Manifest()
_WHOLE = Manifest(units={"etcd.service": "x", "kubelet.service": "x"}, release=NEW.digest)
_HALF = Manifest(units={"etcd.service": "x"})
_QUORUM_LOST = "etcdserver: request timed out"


@dataclass
class Host:
    """A host as it is."""

    manifest: Manifest = _BLANK
    told: tuple[str, ...] = ()  # the managers it knows of
    gone: bool = False


@dataclass
class Etcd:
    """Members by host. https://etcd.io/docs/v3.6/op-guide/runtime-configuration/."""

    voters: set[str]
    learners: set[str] = field(default_factory=set)
    up: set[str] = field(default_factory=set)

    @property
    def quorate(self) -> bool:
        return len(self.voters & self.up) > len(self.voters) // 2

    def add(self, name: str) -> None:
        self._write()
        if self.learners:
            raise HostError("etcdserver: too many learner members in cluster")
        self.learners.add(name)

    def promote(self, name: str) -> None:
        self._write()
        if name not in self.up:
            raise HostError("etcdserver: can only promote a learner member which is in sync with leader")
        self.learners.remove(name)
        self.voters.add(name)

    def remove(self, name: str) -> None:
        self._write()
        left = self.voters - {name}
        if len(left & self.up) <= len(left) // 2:
            raise HostError("etcdserver: re-configuration failed due to not enough started members")
        self.voters, self.learners = left, self.learners - {name}
        self.up.discard(name)

    def _write(self) -> None:
        if not self.quorate:
            raise HostError(_QUORUM_LOST)


class World:
    """A platform that goes from some managers to others."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, before: list[str], now: list[str]) -> None:
        self.folder = folder
        self.before, self.now = _spec(folder, before), _spec(folder, now)
        names = dict.fromkeys((*before, *now))
        self.hosts = {name: Host(_WHOLE, tuple(before)) if name in before else Host() for name in names}
        self.etcd = Etcd(set(before), up=set(before))
        self.nodes = set(before)
        self.provided = list(names)
        self.wanted = now
        self.life = Life()
        self._fake(monkeypatch)

    def session(self) -> Session:
        """What one command works with."""
        assert self.before.platform
        assert self.now.platform
        kept = replace(self.before, platform=keeping(self.before.platform, self.now.platform))
        if self.provided == self.wanted:
            kept = self.now
        session = sessions.provided(kept, self.now, self.folder, _Seen(self))  # type: ignore[arg-type]
        self._addresses = {name: str(one.cluster_address) for name, one in session._provided_hosts.items()}
        session.bundle = NEW  # type: ignore[assignment]  # as far as it is used
        session.api = SimpleNamespace(delete=self._delete)  # type: ignore[assignment]
        session.infrastructure = SimpleNamespace(let_go=lambda tell, gone: self._let_go(session))  # type: ignore[assignment]
        return session

    def run(self, ends: int | None = None) -> list[str]:
        """One run; killed after `ends` acts."""
        self.life = Life(ends)
        session = self.session()
        book: Playbook[Session] = shipped("up", steps=STEPS, guards=GUARDS)
        book = replace(book, phases=tuple(phase for phase in book.phases if phase.name in _PHASES))
        journal = Journal(self.folder / "journal", command="moorage up")
        runner.run(book, session, reporter=Silent(), journal=journal, clock=FakeClock())
        return self.life.calls

    def to_the_end(self) -> None:
        """Run after run, as an operator does."""
        for _ in range(_RUNS):
            try:
                self.run()
            except InstallerError as exc:
                last = exc
                continue
            return
        raise AssertionError(f"it never ends: {last}")

    @property
    def is_as_wanted(self) -> bool:
        hosts = [self.hosts[name] for name in self.wanted]
        return (
            self.etcd == Etcd(set(self.wanted), up=set(self.wanted))
            and all(host.manifest == _WHOLE and set(host.told) == set(self.wanted) for host in hosts)
            and self.nodes == set(self.wanted)
            and self.provided == self.wanted
        )

    # --- what hosts do ----------------------------------------------------------------------------------------------

    def _fake(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(changing, "bring", self._bring)
        monkeypatch.setattr(changing, "settle", self._settle)
        monkeypatch.setattr(host_changes, "todo", self._todo)
        monkeypatch.setattr(host_drain, "begin", lambda session, name: None)
        monkeypatch.setattr(host_drain, "leave", lambda session, name: None)
        monkeypatch.setattr(host_drain, "since", lambda session, name: "")
        monkeypatch.setattr(host_drain, "await_empty", self._await_empty)
        monkeypatch.setattr(releases, "name_of", lambda seen: NEW.release)
        monkeypatch.setattr(leaving, "keeps", lambda session, name, **_: ())
        monkeypatch.setattr(leaving, "_is_node", lambda session, name: name in self.nodes)
        monkeypatch.setattr(leaving.manager_api, "await_api", lambda session, report: None)
        monkeypatch.setattr(leaving, "_await_datastores", lambda session, name, report: None)
        monkeypatch.setattr(leaving.remove, "remove", lambda shell: self._act(f"{shell.name}: empty", shell.empty))
        monkeypatch.setattr(Session, "connection", lambda session, name: Shell(self, name))

    def _bring(self, session: Session, name: str, bundle: Any, report: Any, *, peers: Any = None) -> None:
        host = self.hosts[name]
        if peers is not None:
            listed = {one for one in self.etcd.voters if one != name} | {name}
            assert set(peers) == listed, f"{name} would not find the members that etcd has: {peers}"
            self._act(f"{name}: etcd starts", lambda: self._starts(name))
            etcd_members.promote(session, name)
            assert name in self.etcd.voters
        self._act(f"{name}: all runs", lambda: self._all_runs(name, peers or session.managers))
        assert host.manifest.serves

    def _starts(self, name: str) -> None:
        self.etcd.up.add(name)
        self.hosts[name].manifest = _HALF

    def _all_runs(self, name: str, managers: Any) -> None:
        self.nodes.add(name)
        host = self.hosts[name]
        host.manifest, host.told = replace(_WHOLE, release=host.manifest.release), tuple(managers)

    def _settle(self, session: Session, name: str, bundle: Any) -> None:
        self._act(f"{name}: whole", lambda: setattr(self.hosts[name], "manifest", _WHOLE))
        session.forget(name)

    def _todo(self, session: Session, name: str) -> tuple[HostChange, ...]:
        knows = set(self.hosts[name].told) == set(self.wanted)
        return () if knows else (HostChange(Act.RESTART, "kube-apiserver.service"),)

    def _await_empty(self, session: Session, name: str, report: Any) -> None:
        self._act(f"{name}: nothing runs there", lambda: None)

    def _delete(self, kind: Any, name: str) -> None:
        self._act(f"{name}: no node", lambda: self.nodes.discard(name))

    def _let_go(self, session: Session) -> Any:
        self._act("hosts go", lambda: setattr(self, "provided", self.wanted))
        return session.provided

    def _act(self, what: str, effect: Callable[[], object]) -> None:
        try:
            self.life.call(what, effect)
        finally:
            assert self.etcd.quorate, f"{what}: no quorum: {self.etcd}"


class Shell:
    """What is run on a host of the world."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    def run(self, script: str, *, on_line: Any = None, check: bool = True, **_: Any) -> None:
        host, etcd = self.world.hosts[self.name], self.world.etcd
        if host.gone:
            raise UnreachableError("no route to host")
        if script == members.LOOK:
            for line in self._looks():
                on_line(line)
        elif script == "systemctl stop etcd":
            self.world._act(f"{self.name}: etcd stops", lambda: etcd.up.discard(self.name))
        elif manager_host.FIRST_START in script:
            on_line(" ".join(host.told))
        else:
            self._ctl(script.splitlines()[-1].split("command-timeout=5s ")[1].split())

    def empty(self) -> None:
        self.world.hosts[self.name] = Host()
        self.world.etcd.up.discard(self.name)

    def _ctl(self, words: list[str]) -> None:
        if words[0] == "move-leader":
            return
        etcd, verb, subject = self.world.etcd, words[1], words[2]
        assert self.name in etcd.voters & etcd.up, "asked of one that has no vote"
        name = subject if verb == "add" else self._names[int(subject, 16)]
        self.world._act(f"{name}: {verb}", lambda: getattr(etcd, verb)(name))

    @property
    def _names(self) -> dict[int, str]:
        return dict(enumerate(self.world.hosts, start=1))

    def _looks(self) -> list[str]:
        etcd = self.world.etcd
        ids = {name: number for number, name in self._names.items()}
        if self.name not in etcd.up or not etcd.quorate:
            return ["Error: context deadline exceeded", "---"]
        if self.name in etcd.learners:
            return ["[]", "---", "Error: etcdserver: rpc not supported for learner", "---"]
        header = {"member_id": ids[self.name]}
        status = {"header": header, "version": "3.7.3", "leader": ids[min(etcd.voters & etcd.up)], "raftIndex": 1}
        listed = [
            {
                "ID": ids[name],
                "name": name if name in etcd.voters | etcd.up else "",
                "peerURLs": [f"https://{self.world._addresses[name]}:2380"],
                "isLearner": name in etcd.learners,
            }
            for name in sorted(etcd.voters | etcd.learners)
        ]
        return [json.dumps([{"Status": status}]), "---", json.dumps({"members": listed}), "---", "{}", "---"]


class _Seen(dict[str, HostFacts]):
    """What is seen of each host, as it is at that moment."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __missing__(self, name: str) -> HostFacts | InstallerError:
        host = self._world.hosts[name]
        if host.gone:
            return UnreachableError("no route to host")
        return facts(manifest=host.manifest)


def _spec(folder: Path, managers: list[str]) -> Specification:
    path = folder / "platform.yaml"
    groups = [name.removesuffix("-1") for name in managers]
    path.write_text(platform(hosts=", ".join(f"{{name: {group}, role: manager, count: 1}}" for group in groups)))
    return load(path)


def _managers(letters: str) -> list[str]:
    return [f"{letter}-1" for letter in letters]


_WAYS = ["a abc", "abc abcde", "abcde abc", "abc a", "abc abd", "abc bcd", "abcde aefgh"]


@pytest.mark.parametrize("way", _WAYS)
def test_from_some_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Quorum holds at every moment; afterwards nothing is left to do."""
    world = World(tmp_path, monkeypatch, *map(_managers, way.split()))
    world.run()
    assert world.is_as_wanted
    assert world.run() == []


@pytest.mark.parametrize("way", _WAYS[:-1])
def test_killed_after_every_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """The next run reaches the same state."""
    before, now = map(_managers, way.split())
    acts = len(World(tmp_path, monkeypatch, before, now).run())
    for number in range(1, acts + 1):
        world = World(tmp_path, monkeypatch, before, now)
        with pytest.raises(Killed):
            world.run(ends=number)
        world.to_the_end()
        assert world.is_as_wanted, f"killed after act {number}: {world.etcd}"


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First one more, then one less; those that stay learn of it in the end."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abd"))
    assert world.run() == [
        *("d-1: add", "d-1: etcd starts", "d-1: promote", "d-1: all runs", "d-1: whole"),
        *("c-1: nothing runs there", "c-1: etcd stops", "c-1: remove", "c-1: empty", "c-1: no node"),
        *("a-1: all runs", "a-1: whole", "b-1: all runs", "b-1: whole", "d-1: all runs", "d-1: whole"),
        "hosts go",
    ]


def test_one_that_is_gone_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another joins only to members that are well."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abd"))
    world.hosts["c-1"].gone = True
    world.etcd.up.discard("c-1")
    assert world.run()[:3] == ["c-1: no node", "c-1: remove", "d-1: add"]
    assert world.is_as_wanted


def test_one_that_lost_its_disk_joins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its old identity it would vote again on what it has voted on before."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abc"))
    world.hosts["c-1"] = Host()
    world.etcd.up.discard("c-1")
    world.nodes.discard("c-1")
    assert world.run()[:3] == ["c-1: remove", "c-1: add", "c-1: etcd starts"]
    assert world.is_as_wanted


def test_nobody_joins_while_a_member_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named; nothing is changed."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abcde"))
    world.etcd.up.discard("b-1")
    with pytest.raises(InstallerError, match="etcd member b-1 does not answer"):
        world.run()
    assert world.life.calls == []


@pytest.mark.parametrize("gone", [False, True])
def test_hosts_of_a_first_up_that_failed_early_go_without_a_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """There is no API yet that could know them."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("a"))

    def no_api(session: Session, name: str) -> bool:
        raise ApiUnavailableError("no API server answers")

    monkeypatch.setattr(leaving, "_is_node", no_api)
    world.hosts = {name: Host(gone=gone and name != "a-1") for name in world.hosts}
    world.etcd = Etcd(set())
    session = world.session()
    planned = [
        step.plan(session, Target("host", name)) for step in (LeaveHost(), ForgetHost()) for name in session.leaving
    ]
    assert planned == [(), (), (), ()]


def test_an_api_that_is_still_starting_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not taken for one that does not know the host."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abd"))
    known = leaving._is_node
    up: list[str] = []

    def starting(session: Session, name: str) -> bool:
        if not up:
            raise ApiUnavailableError("no API server answers")
        return known(session, name)

    monkeypatch.setattr(leaving, "_is_node", starting)
    monkeypatch.setattr(leaving.manager_api, "await_api", lambda session, report: up.append("up"))
    world.hosts["c-1"].gone = True
    world.etcd.up.discard("c-1")
    world.run()
    assert world.is_as_wanted


def test_one_that_is_out_of_etcd_already_is_no_ill_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed right after it was taken out finds the others well."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abd"))
    world.etcd.remove("c-1")
    assert set(etcd_members.look(world.session())) == {"a-1", "b-1"}


def test_preflight_sees_only_members_that_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is just joining, or is gone, is what `up` deals with itself."""
    world = World(tmp_path, monkeypatch, _managers("abc"), _managers("abd"))
    world.hosts["c-1"].gone = True
    world.etcd.up.discard("c-1")
    world.etcd.add("d-1")
    world.etcd.up.add("d-1")
    world.hosts["d-1"].manifest = _HALF
    settled = etcd_members.settled(world.session())
    assert {name: [one.name for one in member.members] for name, member in settled.items()} == {
        "a-1": ["a-1", "b-1"],
        "b-1": ["a-1", "b-1"],
    }

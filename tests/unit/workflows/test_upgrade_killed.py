"""An upgrade on hosts that are made up: killed after every act, failing on any host, begun in any half-done state.

The playbook, the engine, the steps, the guard and the way back are the real ones; only what touches a host is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from installer.core import layout
from installer.core.errors import GuardError, HostError, InstallerError
from installer.engine import runner
from installer.engine.events import Silent, StepReport
from installer.engine.failures import SeveralFailuresError
from installer.engine.journal import Journal
from installer.engine.playbook import Playbook, shipped
from installer.hostops import apply
from installer.hostops.diff import Act, HostChange
from installer.hostops.facts import HostFacts, Manifest
from installer.kubernetes.members import Listed, Member
from installer.spec.specification import load
from installer.workflows import (
    changing,
    etcd_members,
    host_changes,
    host_drain,
    releases,
    runs,
    snapshots,
    steps,  # noqa: F401 - they are registered
)
from installer.workflows.registry import GUARDS, STEPS
from installer.workflows.session import Session
from tests.fakes.kubernetes import Killed, Life
from tests.unit.engine.world import FakeClock
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_releases import NEW, OLD

_BY_DIGEST = {OLD.digest: OLD, NEW.digest: NEW}
_PHASES = ("hosts", "snapshot", "managers", "workers")
_RUNS = 12  # after so many, it never ends


@dataclass
class Host:
    """A host as it is: what its links say, what it was last whole on, whether it is away just now."""

    current: str = OLD.digest
    etcd: str = OLD.digest
    manifest: Manifest = field(default_factory=lambda: Manifest(units={"x": ""}, release=OLD.digest))
    etcd_up: bool = True
    drained: bool = False


class World:
    """Hosts that outlive the installer, and what must hold of them at every moment."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, managers: int = 3, workers: int = 2, share: int = 1
    ) -> None:
        hosts = f"{{name: manager, role: manager, count: {managers}}}, {{name: worker, role: worker, count: {workers}}}"
        path = folder / "platform.yaml"
        path.write_text(platform(hosts=hosts, spec=f"  upgrades: {{maxUnavailable: {share}}}\n"))
        self.folder, self.spec, self.share = folder, load(path), share
        self.managers = [f"manager-{i + 1}" for i in range(managers)]
        self.workers = [f"worker-{i + 1}" for i in range(workers)]
        self.hosts = {name: Host() for name in (*self.managers, *self.workers)}
        self.sick: set[str] = set()  # members that do not answer, whatever is done
        self.broken: set[str] = set()  # hosts on which the newer release does not come up
        self.snapshots = 0
        self.life = Life()
        self.fakes(monkeypatch)

    # --- the installer ----------------------------------------------------------------------------------------------

    def run(self, ends: int | None = None) -> None:
        """One run; killed after `ends` acts."""
        self.life = Life(ends)
        session = sessions.provided(self.spec, self.spec, self.folder, _Seen(self))  # type: ignore[arg-type]
        session.bundle = NEW  # type: ignore[assignment]  # as far as it is used
        book: Playbook[Session] = shipped("up", steps=STEPS, guards=GUARDS, max_unavailable=self.share)
        book = replace(book, phases=tuple(phase for phase in book.phases if phase.name in _PHASES))
        journal = Journal(self.folder / "journal", command="moorage upgrade")
        runner.run(book, session, reporter=Silent(), journal=journal, clock=FakeClock())

    def to_the_end(self) -> None:
        """Run after run, as an operator does."""
        for _ in range(_RUNS):
            try:
                self.run()
            except InstallerError:
                continue
            return
        raise AssertionError("it never ends")

    def fakes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What touches hosts, in the place of what does."""
        for module, name in (
            (changing, "bring"),
            (changing, "settle"),
            (host_drain, "begin"),
            (host_drain, "end"),
            (host_drain, "since"),
            (host_drain, "await_empty"),
            (etcd_members, "look"),
            (etcd_members, "start"),
            (host_changes, "todo"),
        ):
            monkeypatch.setattr(module, name, getattr(self, f"_{name}"))
        monkeypatch.setattr(snapshots, "take", lambda connection: self._take())
        monkeypatch.setattr(runs, "last", lambda session: None)
        monkeypatch.setattr(Session, "connection", lambda session, name: None)
        monkeypatch.setattr(Session, "seen_with", lambda session, name, bundle: _Seen(self)[name])
        monkeypatch.setattr(Session, "installed", lambda session, name, digest: _BY_DIGEST[digest])

    # --- what hosts do ----------------------------------------------------------------------------------------------

    def _bring(self, session: Session, name: str, bundle: Any, report: StepReport, *, etcd_digest: str = "") -> None:
        host = self.hosts[name]
        wanted = etcd_digest or releases.etcd_digest(_Seen(self)[name], bundle)
        if name in self.managers and host.etcd != wanted:
            self._act(f"{name}: etcd to {_name(wanted)}", lambda: self._etcd(name, wanted))
            if name in self.broken and wanted == NEW.digest:
                raise HostError("etcd does not come up")
            self._act(f"{name}: etcd runs", lambda: setattr(host, "etcd_up", True))
        self._act(f"{name}: to {bundle.release}", lambda: setattr(host, "current", bundle.digest))
        if name in self.broken and bundle is NEW:
            raise HostError("kubelet does not come up")
        host.etcd_up = True

    def _etcd(self, name: str, digest: str) -> None:
        self.hosts[name].etcd, self.hosts[name].etcd_up = digest, False

    def _settle(self, session: Session, name: str, bundle: Any) -> None:
        host = self.hosts[name]
        noted = host.manifest
        if noted.release != bundle.digest:
            noted = apply.settled(noted, bundle.digest)
        self._act(f"{name}: whole on {bundle.release}", lambda: setattr(host, "manifest", noted))
        session.forget(name)

    def _begin(self, session: Session, name: str) -> None:
        self._act(f"{name}: emptied", lambda: setattr(self.hosts[name], "drained", True))

    def _end(self, session: Session, name: str) -> None:
        if self.hosts[name].drained:
            self._act(f"{name}: opened", lambda: setattr(self.hosts[name], "drained", False))

    def _since(self, session: Session, name: str) -> str:
        return "now" if self.hosts[name].drained else ""

    def _await_empty(self, session: Session, name: str, report: StepReport) -> None:
        self._act(f"{name}: is empty", lambda: None)

    def _look(self, session: Session) -> dict[str, Member]:
        listed = tuple(Listed(name=name, learner=False) for name in self.managers)
        found = {}
        for number, name in enumerate(self.managers, 1):
            host = self.hosts[name]
            if name in self.sick or not host.etcd_up:
                found[name] = Member(name=name, problem="connection refused")
            else:
                version = _BY_DIGEST[host.etcd].info.components.etcd
                found[name] = Member(name=name, id=number, version=version, leader=9, index=1, members=listed)
        return found

    def _start(self, session: Session, names: Any) -> None:
        for name in names:
            self._act(f"{name}: etcd is started", lambda name=name: setattr(self.hosts[name], "etcd_up", True))

    def _todo(self, session: Session, name: str) -> tuple[HostChange, ...]:
        host = self.hosts[name]
        late = host.current != NEW.digest or (name in self.managers and host.etcd != NEW.digest) or not host.etcd_up
        return (HostChange(Act.RESTART, "kubelet.service"),) if late else ()

    def _take(self) -> Any:
        self._act("snapshot", lambda: None)
        self.snapshots += 1
        return snapshots.Snapshot(path="/x.db", keys=1, size=1)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def _act(self, what: str, effect: Callable[[], object]) -> None:
        try:
            self.life.call(what, effect)
        finally:
            self._require(what)

    def _require(self, what: str) -> None:
        away = [name for name in self.managers if name in self.sick or not self.hosts[name].etcd_up]
        assert len(away) <= (len(self.managers) - 1) // 2 or len(self.managers) == 1, f"{what}: no quorum: {away}"
        servers = [self.hosts[name].current for name in self.managers]
        new_kubelets = [name for name in self.workers if self.hosts[name].current == NEW.digest]
        if OLD.digest in servers and what.endswith(f"to {NEW.release}"):
            assert not new_kubelets, f"{what}: kubelets newer than an API server: {new_kubelets}"
        emptied = [name for name in self.workers if self.hosts[name].drained]
        assert len(emptied) <= max(self.share, self.drained_before), f"{what}: too many are away: {emptied}"

    drained_before = 0

    @property
    def is_new(self) -> bool:
        """Whether everything is whole on the newer release, and open."""
        return all(
            host.current == NEW.digest
            and host.manifest.release == NEW.digest
            and (name in self.workers or host.etcd == NEW.digest)
            and host.etcd_up
            and not host.drained
            for name, host in self.hosts.items()
        )


class _Seen(dict[str, HostFacts]):
    """What is seen of each host, as it is at that moment."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __missing__(self, name: str) -> HostFacts:
        host = self._world.hosts[name]
        links = {layout.CURRENT: f"{layout.RELEASES}/{host.current}"}
        if name in self._world.managers:
            links[layout.ETCD] = f"{layout.RELEASES}/{host.etcd}"
        return facts(releases={OLD.digest: OLD.release, NEW.digest: NEW.release}, manifest=host.manifest, links=links)


def _name(digest: str) -> str:
    return _BY_DIGEST[digest].release


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshot, managers one at a time with etcd first, workers emptied, changed, opened; then nothing is left."""
    world = World(tmp_path, monkeypatch)
    world.run()
    assert world.is_new
    manager = [f"manager-1: {what}" for what in ("etcd to 2026.11", "etcd runs", "to 2026.11", "whole on 2026.11")]
    worker = [f"worker-1: {what}" for what in ("emptied", "is empty", "to 2026.11", "whole on 2026.11", "opened")]
    assert world.life.calls == [
        "snapshot",
        *(line.replace("manager-1", name) for name in world.managers for line in manager),
        *(line.replace("worker-1", name) for name in world.workers for line in worker),
    ]
    world.run()
    assert world.life.calls == []


def test_killed_after_every_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run reaches the same state; nothing is done twice but what was cut off."""
    acts = len(_acts(tmp_path, monkeypatch))
    for number in range(1, acts + 1):
        world = World(tmp_path, monkeypatch)
        with pytest.raises(Killed):
            world.run(ends=number)
        done = {name for name, host in world.hosts.items() if host.manifest.release == NEW.digest}
        world.to_the_end()
        assert world.is_new, f"killed after act {number}"
        again = {call.split(":")[0] for call in world.life.calls if "opened" not in call}
        assert not again & done, f"killed after act {number}: done twice: {again & done}"


def _acts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    world = World(folder, monkeypatch)
    world.run()
    return world.life.calls


@pytest.mark.parametrize("name", ["manager-1", "manager-2", "worker-1", "worker-2"])
def test_a_host_that_fails_goes_back_and_the_rest_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It serves again on what it had, is open, and the next run, once it is mended, ends."""
    world = World(tmp_path, monkeypatch)
    world.broken = {name}
    with pytest.raises(HostError):
        world.run()
    host = world.hosts[name]
    assert (host.current, host.manifest.release, host.etcd_up, host.drained) == (OLD.digest, OLD.digest, True, False)
    after = list(world.hosts)[list(world.hosts).index(name) + 1 :]
    assert all(world.hosts[one] == Host() for one in after)
    world.broken = set()
    world.run()
    assert world.is_new


def test_the_last_manager_keeps_its_etcd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' data is newer by then: it goes back but for that."""
    world = World(tmp_path, monkeypatch)
    monkeypatch.setattr(World, "_etcd", _etcd_comes_up)
    world.broken = {"manager-3"}
    with pytest.raises(HostError):
        world.run()
    host = world.hosts["manager-3"]
    assert (host.current, host.etcd, host.manifest.release) == (OLD.digest, NEW.digest, OLD.digest)
    world.broken = set()
    world.run()
    assert world.is_new


def _etcd_comes_up(world: World, name: str, digest: str) -> None:
    """For a host that is broken only beyond its etcd."""
    world.hosts[name].etcd, world.hosts[name].etcd_up = digest, True


@pytest.mark.parametrize("sick", ["manager-1", "manager-2", "manager-3"])
def test_no_member_is_touched_while_another_is_ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sick: str) -> None:
    """It is named; what is ill itself may be changed, since that may be what mends it."""
    world = World(tmp_path, monkeypatch)
    world.sick = {sick}
    with pytest.raises(GuardError, match=f"etcd member {sick} does not answer"):
        world.run()
    assert [name for name in world.managers if world.hosts[name] != Host()] in ([], [sick])
    world.sick = set()
    world.to_the_end()
    assert world.is_new


def test_many_workers_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the specification says, failures of one batch shown together."""
    world = World(tmp_path, monkeypatch, workers=5, share=3)
    world.broken = {"worker-1", "worker-2"}
    with pytest.raises(SeveralFailuresError):
        world.run()
    assert {name for name in world.workers if world.hosts[name].current == NEW.digest} == {"worker-3"}
    world.broken = set()
    world.run()
    assert world.is_new


def _half_done(chance: random.Random, world: World) -> None:
    """A state that killed runs can leave: hosts before one are whole on the newer release, that one is anywhere."""
    names = list(world.hosts)
    reached = chance.randrange(len(names) + 1)
    for name in names[:reached]:
        world.hosts[name].current = world.hosts[name].etcd = NEW.digest
        world.hosts[name].manifest = apply.settled(world.hosts[name].manifest, NEW.digest)
    for name in names[reached : reached + 1]:
        host = world.hosts[name]
        if name in world.workers:
            host.drained = chance.random() < 0.5
            host.current = chance.choice((OLD.digest, NEW.digest)) if host.drained else OLD.digest
        else:
            host.etcd = chance.choice((OLD.digest, NEW.digest))
            host.etcd_up = chance.random() < 0.7
            host.current = chance.choice((OLD.digest, NEW.digest)) if host.etcd == NEW.digest else OLD.digest
    if reached and chance.random() < 0.2 and (name := names[reached - 1]) in world.workers:
        world.hosts[name].drained = True
        world.drained_before = 2


@pytest.mark.parametrize("seed", range(60))
def test_from_any_half_done_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Random platforms, killed and failing at random: quorum and skew hold at every moment, and it always ends."""
    chance = random.Random(seed)  # noqa: S311 - the same cases in every run
    world = World(
        tmp_path,
        monkeypatch,
        managers=chance.choice((1, 3, 5)),
        workers=chance.randrange(5),
        share=chance.choice((1, 1, 2)),
    )
    _half_done(chance, world)
    world.broken = {name for name in world.hosts if chance.random() < 0.15}
    for _ in range(3):
        try:
            world.run(ends=chance.randrange(1, 30))
        except (Killed, InstallerError):
            world.broken = {name for name in world.broken if chance.random() < 0.5}
    world.broken = set()
    world.to_the_end()
    assert world.is_new

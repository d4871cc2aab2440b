"""When a host is checked, changed, put back and let in again, decided from what is seen on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import HostError
from installer.engine.events import Event, Note, StepReport
from installer.engine.journal import Run
from installer.engine.plan import StepId, Target
from installer.hostops.diff import Act, HostChange
from installer.hostops.facts import HostFacts, Manifest
from installer.hostops.preflight import Report
from installer.spec.specification import Specification, load
from installer.transport.errors import ConnectionLostError
from installer.workflows import changing, host_drain, releases, runs
from installer.workflows.session import Session
from installer.workflows.steps import change_host, check_hosts, drain_host, install_host, take_snapshot
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_releases import NEW, OLD, links

_NAMES = ("manager-1", "manager-2", "manager-3", "worker-1", "worker-2")


def on(release: str, *, links_to: str = "", previous: str = "") -> HostFacts:
    """A host that is whole on a bundle, or, with `links_to`, on its way to another."""
    manifest = Manifest(units={"kubelet.service": "1"}, release=release, previous=previous)
    return facts(
        releases={OLD.digest: "2026.10", NEW.digest: "2026.11"}, manifest=manifest, links=links(links_to or release)
    )


class World:
    """Five hosts; what is done to them is only noted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = folder / "platform.yaml"
        path.write_text(platform())
        spec = load(path)
        self.seen: dict[str, HostFacts] = dict.fromkeys(_NAMES, on(OLD.digest))
        self.todo: tuple[HostChange, ...] = ()
        self.done: list[str] = []
        self.told: list[str] = []
        self.last: Run | None = None
        self.drained: set[str] = set()
        self.session = sessions.provided(spec, spec, folder, self.seen)
        self.session.bundle = NEW  # type: ignore[assignment]  # as far as it is used
        monkeypatch.setattr(change_host.host_changes, "todo", lambda session, name: self.todo)
        monkeypatch.setattr(runs, "last", lambda session: self.last)
        monkeypatch.setattr(host_drain, "since", lambda session, name: "now" if name in self.drained else "")
        monkeypatch.setattr(host_drain, "end", lambda session, name: self.done.append(f"open {name}"))
        monkeypatch.setattr(changing, "put_back", self._put_back)

    def see(self, name: str, seen: HostFacts) -> None:
        self.seen[name] = seen
        self.session.forget(name)

    def plan(self, step: Any, name: str = "worker-1") -> list[str]:
        return [change.summary for change in step.plan(self.session, Target("host", name))]

    def _put_back(self, session: Session, name: str, digest: str, report: StepReport) -> Any:
        self.done.append(f"put back {name} {releases.name_of(on(digest))}")
        return OLD

    @property
    def report(self) -> StepReport:
        def emit(event: Event) -> None:
            if isinstance(event, Note):
                self.told.append(event.text)

        return StepReport(StepId("workers", "worker-1", "change-host"), emit)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """All hosts are whole on 2026.10, and are to be on 2026.11."""
    return World(tmp_path, monkeypatch)


@pytest.mark.parametrize(("losses", "told"), [(1, ""), (2, "the connection was lost")])
def test_a_connection_that_is_lost_once_puts_no_host_back(
    world: World, monkeypatch: pytest.MonkeyPatch, losses: int, told: str
) -> None:
    """The release is not to blame, and what was done is found; whoever loses the next one, too, is in trouble."""
    tries: list[str] = []

    def bring(session: Session, name: str, *_: Any) -> None:
        tries.append(name)
        if len(tries) <= losses:
            raise ConnectionLostError("the connection was lost", host=name)

    monkeypatch.setattr(changing, "bring", bring)
    step, target = change_host.ChangeHost(), Target("host", "worker-1")
    if told:
        with pytest.raises(ConnectionLostError, match=told):
            step.run(world.session, target, world.report)
    else:
        step.run(world.session, target, world.report)
    assert tries == ["worker-1", "worker-1"]
    assert world.told == ["worker-1: the connection was lost; going on through another"]


_RESTART = (HostChange(Act.WRITE, "/etc/x"), HostChange(Act.RESTART, "kubelet.service"))


def test_a_host_that_carries_nothing_is_installed_and_not_changed(world: World) -> None:
    """And one that serves is changed and not installed."""
    world.see("worker-1", facts())
    assert world.plan(install_host.InstallHost()) == ["install everything"]
    assert world.plan(change_host.ChangeHost()) == []
    assert world.plan(drain_host.DrainHost()) == []
    assert world.plan(install_host.InstallHost(), "worker-2") == []


def test_what_is_changed_is_told_with_both_releases(world: World) -> None:
    """A host that has everything but was not seen to be whole is looked at once more."""
    world.todo = _RESTART
    assert world.plan(change_host.ChangeHost()) == ["2026.10 -> 2026.11; write 1; restart kubelet"]
    world.todo = ()
    assert world.plan(change_host.ChangeHost()) == ["2026.10 -> 2026.11; see that it is whole"]
    world.see("worker-1", on(NEW.digest))
    assert world.plan(change_host.ChangeHost()) == []
    world.todo = _RESTART
    assert world.plan(change_host.ChangeHost()) == ["write 1; restart kubelet"]


def test_a_host_is_emptied_only_for_another_line(world: World) -> None:
    """And let in again whenever it was emptied, by whichever run."""
    assert world.plan(drain_host.DrainHost()) == ["move away what runs there"]
    world.see("worker-1", on(NEW.digest))
    assert world.plan(drain_host.DrainHost()) == []
    assert world.plan(drain_host.ReleaseHost()) == []
    world.drained.add("worker-1")
    assert world.plan(drain_host.ReleaseHost()) == ["let pods in again"]


def test_a_failed_change_goes_back_to_the_release_of_before(world: World) -> None:
    """And the host is opened again."""
    world.see("worker-1", on(OLD.digest, links_to=NEW.digest))
    change_host.ChangeHost().undo(world.session, Target("host", "worker-1"), world.report)
    assert world.done == ["put back worker-1 2026.10", "open worker-1"]
    assert world.told == ["worker-1 is back on 2026.10"]


def test_a_failed_change_of_settings_has_nothing_to_go_back_to(world: World) -> None:
    """Least of all the release before the last."""
    world.see("worker-1", on(NEW.digest, previous=OLD.digest))
    change_host.ChangeHost().undo(world.session, Target("host", "worker-1"), world.report)
    assert world.done == []
    assert world.told == ["worker-1 stays as it is: it had no other release"]


def test_a_release_that_is_gone_cannot_be_gone_back_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said so, and nothing is done."""
    monkeypatch.undo()
    monkeypatch.setattr(world.session, "seen_with", lambda name, bundle: on(OLD.digest))
    with pytest.raises(HostError, match="worker-1 has no other release to go back to"):
        changing.put_back(world.session, "worker-1", "c" * 64, world.report)


def test_data_is_kept_only_before_a_manager_leaves_its_release(world: World) -> None:
    """Not for workers, and not for settings."""
    step = take_snapshot.TakeSnapshot()
    assert world.plan(step, "harbor") == ["a snapshot of the manager's etcd, before 2026.10 is left"]
    for name in ("manager-1", "manager-2", "manager-3"):
        world.see(name, on(NEW.digest))
    assert world.plan(step, "harbor") == []


CHECKED: dict[str, tuple[dict[str, HostFacts], bool, list[str]]] = {
    "a new host": ({"worker-1": facts()}, False, ["preflight checks on all hosts"]),
    "a release is left": ({}, False, ["preflight checks of the platform, before 2026.10 is left"]),
    "an upgrade is under way": ({"manager-1": on(NEW.digest)}, False, []),
    "a host is half changed": ({"manager-1": on(OLD.digest, links_to=NEW.digest)}, False, []),
    "an earlier run was killed": ({}, True, []),
    "nothing is left": (dict.fromkeys(_NAMES, on(NEW.digest)), False, []),
}


@pytest.mark.parametrize(("seen", "cut_off", "expected"), CHECKED.values(), ids=CHECKED)
def test_when_checks_are_run(world: World, seen: dict[str, HostFacts], cut_off: bool, expected: list[str]) -> None:
    """Before a host gets its first files, and before an upgrade begins; never between its steps."""
    for name, found in seen.items():
        world.see(name, found)
    if cut_off:
        step = StepId("managers", "manager-1", "change-host")
        world.last = Run(run_id="1", command="", started=None, outcome=None, begun=(step,), failed=())  # type: ignore[arg-type]
    assert world.plan(check_hosts.CheckHosts(), "harbor") == expected


@pytest.mark.parametrize(("others", "of_platform"), [(OLD, True), (NEW, False)])
def test_a_host_that_comes_need_not_find_a_platform_that_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: Any, of_platform: bool
) -> None:
    """It may be what mends it; only a release is not left then."""
    asked: list[bool] = []
    world = World(tmp_path, monkeypatch)
    for name in _NAMES[:-1]:
        world.see(name, on(others.digest))
    world.see("worker-2", facts())

    def run(session: Session, ignore: frozenset[str], *, of_platform: bool) -> Report:
        asked.append(of_platform)
        return Report(())

    monkeypatch.setattr(check_hosts.preflight, "preflight", run)
    step = StepId("preflight", "harbor", "check-hosts")  # of this very run, which is in the middle of it
    world.last = Run(run_id="1", command="", started=None, outcome=None, begun=(step,), failed=())  # type: ignore[arg-type]
    assert world.plan(check_hosts.CheckHosts(), "harbor")
    check_hosts.CheckHosts().run(world.session, Target("platform", "harbor"), world.report)
    assert asked == [of_platform]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (on(OLD.digest), ""),
        (on(NEW.digest, previous=OLD.digest), "2026.10"),
        (on(OLD.digest, links_to=NEW.digest), "2026.10"),
        (on(NEW.digest), ""),
        (on(NEW.digest, previous="c" * 64), ""),
    ],
)
def test_what_a_host_goes_back_to(seen: HostFacts, expected: str) -> None:
    """What it had before, or, on its way, what it still is by its manifest; if that is still there."""
    assert seen.releases.get(releases.goes_back_to(seen), "") == expected


@pytest.mark.parametrize(
    ("others", "stays"), [(("2026.11", "2026.11"), True), (("2026.11", "2026.10"), False), ((), True)]
)
def test_managers_go_back_only_while_one_is_old(others: tuple[str, ...], stays: bool) -> None:
    """What all new ones have stored, an old one may not be able to read."""
    found = [releases.load_release(name) for name in others]
    reason = releases.must_stay(OLD.info, NEW.info, found)
    assert bool(reason) is stays


def test_a_preview_tells_what_managers_that_come_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody knows their addresses; once they are provided, what is written is told."""
    monkeypatch.setattr(change_host.host_changes, "todo", lambda session, name: ())
    path = tmp_path / "platform.yaml"

    def with_managers(count: int) -> Specification:
        groups = f"{{name: manager, role: manager, count: {count}}}, {{name: worker, role: worker, count: 1}}"
        path.write_text(platform(hosts=groups))
        return load(path)

    one, three = with_managers(1), with_managers(3)
    session = sessions.provided(one, three, tmp_path, dict.fromkeys(("manager-1", "worker-1"), on(NEW.digest)))
    session.bundle = NEW  # type: ignore[assignment]  # as far as it is used
    told = {
        name: [change.summary for change in change_host.ChangeHost().plan(session, Target("host", name))]
        for name in ("manager-1", "worker-1", "manager-2")
    }
    assert told == {
        "manager-1": ["learn of manager-2, manager-3: restart kube-apiserver"],
        "worker-1": ["learn of manager-2, manager-3"],
        "manager-2": [],
    }

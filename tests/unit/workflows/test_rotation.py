"""The manager's authorities go from stage to stage by runs of `up`; a command that is cut off goes on when repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import KubernetesError, WaitTimeoutError
from installer.core.secret import Secret
from installer.engine.runner import RunResult
from installer.kubernetes import addons, documents, hosted
from installer.kubernetes import rotation as stages
from installer.kubernetes.roots import Roots, Stage
from installer.spec.specification import load
from installer.workflows import (
    certificates,
    cluster_info,
    clusters,
    dedicated_hosts,
    manager_trust,
    preview,
    rotation,
    runs,
    up,
)
from installer.workflows.infrastructure import Provided
from installer.workflows.session import Session
from installer.workflows.steps.change_host import ChangeHost
from tests.fakes.kubernetes import FakeApi, Killed, Life
from tests.unit.hostops.hosts import facts
from tests.unit.kubernetes import fixed
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

ROOTS = Roots.generate("harbor")
_WITH_METAL = "{name: manager, role: manager}, {name: worker, role: worker}, {name: metal, role: dedicated}"


class World:
    """The state of the stacks, the stage that all of the manager has, and what was done, in order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.roots = ROOTS
        self.everywhere = Stage.SETTLED
        self.done: list[str] = []
        self.life = Life()
        self.manager = FakeApi()
        (folder / "platform.yaml").write_text(platform())
        monkeypatch.setattr(runs, "locked", lambda *_: nullcontext())
        monkeypatch.setattr(up, "up", self._up)
        monkeypatch.setattr(manager_trust, "await_followed", lambda *_: self.life.call("followed", lambda: None))

    def session(self) -> Session:
        """As a command opens it."""
        spec = load(self.folder / "platform.yaml")
        names = ("manager-1", "manager-2", "manager-3", "worker-1", "worker-2", "metal-1")
        found = sessions.provided(spec, spec, self.folder, {name: facts() for name in names})
        found.__dict__["infrastructure"] = self
        found.provide(self._provided(found))
        found.__dict__["api"] = self.manager.client(self.life)
        self.opened = found
        return found

    def enter(self, stage: Stage, on_event: Callable[..., None]) -> Provided:
        """As the stack of the root secrets does."""
        assert stage is stages.after(self.roots.stage)
        assert self.everywhere is self.roots.stage or stage is Stage.SETTLED, "not all has the stage before"

        def effect() -> None:
            self.roots = stages.advanced(self.roots)
            self.done.append(f"enter {stage or 'settled'}")

        self.life.call("enter", effect)
        return self._provided(self.opened)

    def _provided(self, session: Session) -> Provided:
        assert session.provided is not None
        return replace(session.provided, roots=self.roots)

    def _up(self, session: Session, *, command: str) -> RunResult:
        assert session.roots.stage is self.roots.stage

        def effect() -> None:
            self.everywhere = self.roots.stage
            self.done.append("up")

        self.life.call("up", effect)
        return RunResult(changed=True, seconds=1.0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Of a platform that is settled."""
    return World(tmp_path, monkeypatch)


def test_each_stage_is_an_up(world: World) -> None:
    """Before the first one, what is not whole is brought to be; the last one changes nothing any more."""
    rotation.rotate(world.session())
    assert world.done == ["up", "enter trust", "up", "enter reissue", "up", "enter drop", "up", "enter settled"]
    assert world.roots.authorities["kubernetes"].trusted != ROOTS.authorities["kubernetes"].trusted


@pytest.mark.parametrize("ends", range(1, 12))
def test_a_run_that_is_cut_off_goes_on(world: World, ends: int) -> None:
    """After whichever act: it is not begun anew, and no stage is entered before all has the one before."""
    world.life = Life(ends)
    with pytest.raises(Killed):
        rotation.rotate(world.session())
    if world.roots.stage is not Stage.SETTLED or world.roots == ROOTS:
        world.life = Life()
        rotation.rotate(world.session())
    assert world.roots.stage is Stage.SETTLED
    entered = [one for one in world.done if one.startswith("enter")]
    assert entered == ["enter trust", "enter reissue", "enter drop", "enter settled"]


def test_it_is_held_while_both_are_trusted(world: World) -> None:
    """As often as one asks; without that it goes on."""
    for _ in range(2):
        rotation.rotate(world.session(), hold=True)
        assert world.roots.stage is Stage.TRUST
    rotation.rotate(world.session())
    assert world.roots.stage is Stage.SETTLED
    assert world.done.count("enter trust") == 1


def test_the_plan_of_the_next_stage_enters_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what `up` would do with the authorities of that stage."""
    seen: list[Stage] = []
    monkeypatch.setattr(preview, "preview", lambda session: seen.append(session.roots.stage))
    session = world.session()
    rotation.next_plan(session)
    assert seen == [Stage.TRUST]
    assert session.roots.stage is Stage.SETTLED
    assert not world.done


def test_others_authorities_are_another_way_into_the_api(world: World) -> None:
    """A client that trusted those before is not used any more."""
    session = world.session()
    assert "api" in session.__dict__
    session.provide(replace(world._provided(session), roots=stages.advanced(ROOTS)))
    assert "api" not in session.__dict__


@pytest.mark.parametrize(
    ("stage", "notes"),
    [
        (0, {"authority kubernetes": ""}),
        (
            1,
            {
                "authority kubernetes": "stage trust: issues",
                "authority kubernetes, next": "stage trust: trusted, issues in the next stage",
            },
        ),
        (
            2,
            {
                "authority kubernetes": "stage reissue: issues",
                "authority kubernetes, before": "stage reissue: trusted, no more in the next stage",
            },
        ),
        (3, {"authority kubernetes": "stage drop: issues"}),
    ],
)
def test_certificates_tell_the_stage(
    world: World, stage: int, notes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the manager and of a cluster, with both authorities while there are two."""
    for _ in range(stage):
        world.roots = stages.advanced(world.roots)
    monkeypatch.setattr(clusters, "labels", lambda session: {"team-a": {}})
    world.manager.put(documents.secret(hosted.ROOTS, "cluster-team-a", world.roots.to_mapping()))
    session = world.session()
    monkeypatch.setattr(session, "all_facts", dict)
    found = certificates.list_(session)
    for of in ("manager", "cluster team-a"):
        assert {one.name: one.note for one in found if one.of == of and "kubernetes" in one.name} == notes


# --- what runs in the manager -----------------------------------------------------------------------------------------


def _pod(name: str, **changed: Any) -> dict[str, Any]:
    trusted = documents.digest(ROOTS.authorities["kubernetes"].trusted)
    annotations = {addons.AUTHORITIES: changed.get("trusts", trusted)}
    meta = {"name": name, "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}, "annotations": annotations}
    ready = {"conditions": [{"type": "Ready", "status": changed.get("ready", "True")}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}, "status": ready}


@pytest.mark.parametrize(
    ("changed", "told"),
    [({}, None), ({"trusts": "others"}, "dns-1 starts anew"), ({"ready": "False"}, "dns-1 is not ready")],
)
def test_pods_follow_when_they_are_started_anew_and_ready(
    world: World, changed: dict[str, str], told: str | None
) -> None:
    """Each of ours that asks the manager's API."""
    world.manager.put(_pod("dns-1", **changed))
    assert next(manager_trust._behind(world.session()), None) == told


@pytest.mark.parametrize(("text", "told"), [("", False), ("another", False), ("these", True)])
def test_pods_are_not_started_anew_before_they_are_told(world: World, text: str, *, told: bool) -> None:
    """The ConfigMap in their namespace is written by the controller manager, once that has the authorities."""
    trusted = ROOTS.authorities["kubernetes"].trusted
    meta = {"name": "kube-root-ca.crt", "namespace": "kube-system"}
    data = {"ca.crt": trusted if text == "these" else text}
    world.manager.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    assert (manager_trust._unpublished(world.session()) is None) == told


# --- clusters ---------------------------------------------------------------------------------------------------------


class Controller:
    """A cluster whose controller does what its annotations ask for, one stage each time that somebody looks."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.told = "it goes on"
        world.manager.put(json.loads(fixed.cluster().model_dump_json(by_alias=True)))
        self._write(ROOTS, "")
        monkeypatch.setattr(clusters, "describe", self._describe)
        monkeypatch.setattr(rotation.clock.SystemClock, "sleep", lambda *_: None)

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.world.manager.get("Cluster", "", "team-a")["metadata"].get("annotations") or {})

    @property
    def _kept(self) -> dict[str, Secret]:
        return documents.entries(self.world.manager.get("Secret", "cluster-team-a", hosted.ROOTS)["data"])

    def _write(self, roots: Roots, followed: str) -> None:
        entries = {**roots.to_mapping(), hosted.ROTATION: Secret(followed)}
        self.world.manager.put(documents.secret(hosted.ROOTS, "cluster-team-a", entries))

    def _describe(self, session: Session, name: str) -> cluster_info.ClusterInfo:
        roots, followed = Roots.from_mapping(self._kept), self._kept[hosted.ROTATION].reveal()
        asked, held = self.annotations.get(hosted.ROTATE, ""), hosted.HOLD in self.annotations
        stays = held and roots.stage is Stage.TRUST
        if not stays and (roots.stage or asked not in ("", followed)):
            self._write(stages.advanced(roots), followed if roots.stage else asked)
        reason = "Held" if stays else "Updating"
        condition = cluster_info.Condition("AuthoritiesSettled", str(stays), reason, self.told)
        found = cluster_info.info(self.world.manager.get("Cluster", "", name))
        return replace(found, conditions=(condition,) if roots.stage else ())


def test_a_cluster_is_asked_and_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time, so that each time is another text."""
    controller, session = Controller(world, monkeypatch), world.session()
    for day in (1, 2):
        now = datetime(2027, 1, day, tzinfo=UTC)
        assert rotation.rotate_cluster(session, "team-a", now=now) is Stage.SETTLED
        assert controller.annotations == {hosted.ROTATE: now.isoformat()}


def test_a_cluster_is_held_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time asks for no other rotation, but for the end of the first."""
    controller, session = Controller(world, monkeypatch), world.session()
    first = datetime(2027, 1, 1, tzinfo=UTC)
    assert rotation.rotate_cluster(session, "team-a", hold=True, now=first) is Stage.TRUST
    assert rotation.rotate_cluster(session, "team-a", now=datetime(2027, 1, 2, tzinfo=UTC)) is Stage.SETTLED
    assert controller.annotations == {hosted.ROTATE: first.isoformat()}


def test_a_cluster_that_does_not_come_through_is_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of its condition."""
    Controller(world, monkeypatch)
    found = cluster_info.Condition("AuthoritiesSettled", "False", "Updating", "waits: node a follows")
    info = replace(cluster_info.info(world.manager.get("Cluster", "", "team-a")), conditions=(found,))
    monkeypatch.setattr(clusters, "describe", lambda *_: info)
    monkeypatch.setattr(rotation, "_CLUSTER_TIMEOUT_S", 0)
    told: list[str] = []
    with pytest.raises(WaitTimeoutError, match="node a follows"):
        rotation.rotate_cluster(world.session(), "team-a", waiting=told.append)
    assert told == ["waits: node a follows"]


def test_a_cluster_that_is_not_there(world: World) -> None:
    """Is named."""
    with pytest.raises(KubernetesError, match="there is no cluster team-x"):
        rotation.rotate_cluster(world.session(), "team-x")


@pytest.mark.parametrize(("of", "brought"), [("team-a", ["metal-1"]), ("team-b", [])])
def test_hosts_of_a_cluster_are_brought_along(
    world: World, monkeypatch: pytest.MonkeyPatch, of: str, brought: list[str]
) -> None:
    """The controller names them, and has no way there; those of others are left alone."""
    controller, done = Controller(world, monkeypatch), list[str]()
    controller.told = "host metal-1 follows with `moorage up`"
    (world.folder / "platform.yaml").write_text(platform(hosts=_WITH_METAL))
    session = world.session()
    monkeypatch.setattr(dedicated_hosts, "had", lambda session, name: of if name == "metal-1" else "")
    monkeypatch.setattr(ChangeHost, "plan", lambda self, session, target: () if target.name in done else ("change",))
    monkeypatch.setattr(ChangeHost, "run", lambda self, session, target, report: done.append(target.name))
    monkeypatch.setattr(ChangeHost, "verify", lambda self, session, target, report: None)
    rotation.rotate_cluster(session, "team-a")
    assert done == brought

"""The versions that a cluster goes through, and which clusters are meant."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from installer.core.errors import GuardError, KubernetesError
from installer.engine import runner
from installer.engine.events import Silent, StepReport
from installer.engine.journal import Journal
from installer.engine.plan import StepId, Target
from installer.engine.playbook import RoleSelector
from installer.workflows import cluster_upgrade, clusters, dedicated_hosts, maintenance
from installer.workflows.cluster_info import ClusterInfo, Condition
from installer.workflows.session import Session
from installer.workflows.steps.change_host import ChangeHost

_OFFERED = ("1.36.1", "1.36.3", "1.37.0", "1.37.2", "1.38.1")


@pytest.mark.parametrize(
    ("current", "target", "expected"),
    [
        ("1.36.3", "1.36.3", ()),
        ("1.36.1", "1.36.3", ("1.36.3",)),
        ("1.36.3", "1.37.0", ("1.37.0",)),
        ("1.36.3", "1.38.1", ("1.37.2", "1.38.1")),
        ("1.35.9", "1.38.1", ("1.36.3", "1.37.2", "1.38.1")),
    ],
)
def test_minor_by_minor(current: str, target: str, expected: tuple[str, ...]) -> None:
    """By the newest of each minor version in between."""
    assert cluster_upgrade.way(current, target, _OFFERED) == expected


@pytest.mark.parametrize(
    ("current", "target", "why"),
    [
        ("1.37.2", "1.36.3", "a control plane does not go back"),
        ("1.34.2", "1.38.1", "by way of 1.35"),
        ("1.36.3", "1.39.0", "no Kubernetes 1.39.0"),
    ],
)
def test_there_is_no_way(current: str, target: str, why: str) -> None:
    """What is missing is named."""
    with pytest.raises(KubernetesError, match=why):
        cluster_upgrade.way(current, target, _OFFERED)


class World:
    """Clusters with versions and labels; each is ready as soon as it is changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions = {"a": "1.36.3", "b": "1.37.2", "c": "1.36.3"}
        self.labels: dict[str, dict[str, str]] = {"a": {"stage": "test"}, "b": {}, "c": {"stage": "test", "of": "x"}}
        self.changed: list[str] = []
        monkeypatch.setattr(clusters, "labels", lambda session: self.labels)
        monkeypatch.setattr(clusters, "describe", lambda session, name: _info(name, self.versions[name]))
        monkeypatch.setattr(clusters, "upgrade", self._upgrade)
        monkeypatch.setattr(clusters, "await_ready", lambda session, wanted, **_: None)

    def _upgrade(self, session: Any, name: str, version: str) -> None:
        self.changed.append(f"{name} {version}")
        self.versions[name] = version

    def fleet(self, *names: str, labels: dict[str, str] | None = None, to: str = "1.37.2") -> cluster_upgrade.Fleet:
        session = cast(Session, _Session())
        return cluster_upgrade.chosen(session, names=names, labels=labels or {}, version=to)


class _Session:
    ignore: frozenset[str] = frozenset()

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        self._hosts = hosts

    def targets(self, selector: Any) -> Sequence[Target]:
        assert selector == RoleSelector(role="dedicated")
        return [Target("host", name) for name in self._hosts]

    class platform:  # noqa: N801
        class spec:  # noqa: N801
            class upgrades:  # noqa: N801
                max_unavailable = 1

    class bundle:  # noqa: N801 - an attribute of a session
        class info:  # noqa: N801
            class kubernetes:  # noqa: N801
                all = _OFFERED


def _info(name: str, runs: str, *, version: str = "", nodes_follow: bool = True) -> ClusterInfo:
    nodes = Condition("NodesReady", str(nodes_follow), "", "")
    return ClusterInfo(
        name=name,
        version=version or runs,
        runs=runs,
        phase="Ready",
        control_plane_ready=1,
        control_plane_wanted=1,
        nodes_ready=1,
        nodes_wanted=1,
        endpoint="",
        created="",
        conditions=(Condition("ControlPlaneReady", "True", "", ""), nodes, Condition("Ready", nodes.status, "", "")),
    )


def test_who_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, by label, or all."""
    world = World(monkeypatch)
    assert list(world.fleet("b").versions) == ["b"]
    assert list(world.fleet(labels={"stage": "test"}).versions) == ["a", "c"]
    assert list(world.fleet(labels={"stage": "test", "of": "x"}).versions) == ["c"]
    assert list(world.fleet().versions) == ["a", "b", "c"]
    with pytest.raises(KubernetesError, match="no cluster d"):
        world.fleet("d")


def test_those_that_are_there_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a plan names the versions on the way."""
    fleet = World(monkeypatch).fleet(to="1.38.1")
    plan = cluster_upgrade.preview(fleet, at_once=2)
    assert [str(change) for _, change in plan.changes()] == [
        "update a: Kubernetes 1.36.3 -> 1.37.2 -> 1.38.1",
        "update b: Kubernetes 1.37.2 -> 1.38.1",
        "update c: Kubernetes 1.36.3 -> 1.37.2 -> 1.38.1",
    ]
    assert cluster_upgrade.preview(World(monkeypatch).fleet("b"), at_once=2).empty


def test_dedicated_hosts_follow_their_own_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the control planes; those of others, and those that have not joined yet, are left alone."""
    World(monkeypatch)
    runs = {"metal-1": "1.36.3", "metal-2": "1.36.3", "metal-3": "1.36.3", "metal-4": "1.37.2"}
    places = {"metal-1": "a", "metal-2": "b", "metal-3": "a", "metal-4": "a"}
    monkeypatch.setattr(dedicated_hosts, "place", lambda session, name: SimpleNamespace(cluster=_named(places[name])))
    monkeypatch.setattr(dedicated_hosts, "stays", lambda session, name: name != "metal-3")
    monkeypatch.setattr(dedicated_hosts, "runs", lambda session, name: runs[name])
    fleet = cluster_upgrade.chosen(cast(Session, _Session(list(runs))), names=["a"], labels={}, version="1.37.2")
    plan = cluster_upgrade.preview(fleet, at_once=1)
    assert [str(change) for _, change in plan.changes()] == [
        "update a: Kubernetes 1.36.3 -> 1.37.2",
        "update metal-1: Kubernetes 1.36.3 -> 1.37.2",
    ]


def _named(name: str) -> Any:
    return SimpleNamespace(name=name)


def test_nodes_that_still_follow_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that brought the control plane there was killed: the next is not done before the nodes are there."""
    world = World(monkeypatch)
    fleet, target = world.fleet("b"), Target("cluster", "b")
    monkeypatch.setattr(clusters, "describe", lambda session, name: _info(name, "1.37.2", nodes_follow=False))
    waited: list[bool] = []
    monkeypatch.setattr(clusters, "await_ready", lambda session, wanted, *, per_node, **_: waited.append(per_node))
    step = cluster_upgrade.UpgradeCluster()
    assert [str(change) for change in step.plan(fleet, target)] == ["run b: wait until its nodes follow"]
    step.run(fleet, target, StepReport(StepId("clusters", "b", "upgrade-cluster"), lambda event: None))
    assert waited == [True]


def test_each_step_is_ready_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between, the next run goes on from the version that is there."""
    world = World(monkeypatch)
    fleet, target = world.fleet("a", to="1.38.1"), Target("cluster", "a")
    step = cluster_upgrade.UpgradeCluster()
    step.run(fleet, target, StepReport(StepId("clusters", "a", "upgrade-cluster"), lambda event: None))
    assert world.changed == ["a 1.37.2", "a 1.38.1"]
    assert step.plan(fleet, target) == ()


@pytest.mark.parametrize(
    ("runs", "version", "target", "expected"),
    [
        ("1.36.3", "1.37.2", "1.37.2", ("1.37.2",)),
        ("1.36.3", "1.37.2", "1.36.3", ("1.36.3",)),
        ("1.37.2", "1.37.2", "1.37.2", ()),
    ],
)
def test_one_that_did_not_come_up(
    monkeypatch: pytest.MonkeyPatch, runs: str, version: str, target: str, expected: tuple[str, ...]
) -> None:
    """It is tried again, or set back to what it runs; what it was told to have does not count."""
    fleet = World(monkeypatch).fleet("a", to=target)
    monkeypatch.setattr(clusters, "describe", lambda session, name: _info(name, runs, version=version))
    assert cluster_upgrade.stops(fleet, "a") == expected


def _run(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, *, tolerates: int = 0) -> None:
    monkeypatch.setattr(cluster_upgrade.runs, "locked", lambda session, command: nullcontext())

    def run(session: Any, book: Any, command: str, fleet: Any, *, arguments: Any) -> Any:
        assert arguments == {"versions": fleet.versions, "at_once": 1, "tolerates": tolerates}  # for `plan retry`
        journal = Journal(folder / "journal", command=command, arguments=arguments)
        return runner.run(book, fleet, reporter=Silent(), journal=journal)

    monkeypatch.setattr(cluster_upgrade.runs, "run", run)
    cluster_upgrade.upgrade(world.fleet(), at_once=1, tolerates=tolerates)


@pytest.mark.parametrize(("tolerates", "changed"), [(0, ["a 1.37.2"]), (1, ["a 1.37.2", "c 1.37.2"])])
def test_as_many_may_fail_as_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tolerates: int, changed: list[str]
) -> None:
    """Then no other is begun."""
    world = World(monkeypatch)
    monkeypatch.setattr(maintenance, "closed", lambda session: None)

    def await_ready(session: Any, wanted: Any, **_: Any) -> None:
        if world.changed == ["a 1.37.2"]:
            raise KubernetesError("it does not get ready")

    monkeypatch.setattr(clusters, "await_ready", await_ready)
    with pytest.raises(KubernetesError, match="does not get ready"):
        _run(world, tmp_path, monkeypatch, tolerates=tolerates)
    assert world.changed == changed


def test_no_cluster_is_begun_outside_of_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As no host is."""
    world = World(monkeypatch)
    monkeypatch.setattr(maintenance, "closed", lambda session: "the next one opens on Friday")
    with pytest.raises(GuardError, match="opens on Friday"):
        _run(world, tmp_path, monkeypatch)
    assert world.changed == []


def test_a_dedicated_host_that_fails_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where `up` changes it: by the step that knows what it ran before."""
    put_back: list[str] = []
    monkeypatch.setattr(ChangeHost, "undo", lambda self, session, target, report: put_back.append(target.name))
    step, fleet = cluster_upgrade.UpgradeDedicatedHost(), cluster_upgrade.Fleet(cast(Session, None), {})
    report = StepReport(StepId("dedicated", "metal-1", "upgrade-dedicated-host"), lambda event: None)
    step.undo(fleet, Target("host", "metal-1"), report)
    assert put_back == ["metal-1"]
    assert any(one is step._change for one in step._steps), "another one would not know"

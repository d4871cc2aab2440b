"""The controller killed after every single call of a create, a change and a delete, on APIs that are dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from installer.core.clock import SystemClock
from installer.kubernetes import draining, hosted, lost
from tests.fakes.kubernetes import Document, Killed
from tests.unit.controller.clusters.world import HOSTS, NAME, NAMESPACE, NEWER, OLDER, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """At the beginning of time, which does not pass: nothing here takes any."""
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
    return World(tmp_path, monkeypatch)


def _create(_: World) -> None:
    """Nothing is there but the resource."""


def _scale_down(world: World) -> None:
    world.keep(world.controller())
    world.change(count=1)


def _replace(world: World) -> None:
    world.change(count=1)
    world.keep(world.controller())
    world.change(kubelet={"maxPods": 40})


def _host_drained(world: World) -> None:
    world.keep(world.controller())
    node = world.manager.get("Node", "", HOSTS[0])
    node["metadata"]["annotations"] = {draining.SINCE: "2026-05-04T03:02:01+00:00"}
    node["spec"] = {"unschedulable": True}


def _host_lost(world: World) -> None:
    world.keep(world.controller())
    world.silence(HOSTS[0], since="2026-05-04T03:02:01Z")


def _upgrade(world: World) -> None:
    world.keep(world.controller())
    world.upgrade(NEWER)


def _upgrade_that_fails(world: World) -> None:
    world.broken = NEWER
    _upgrade(world)


def _rotate(world: World) -> None:
    world.keep(world.controller())
    world.ask(hosted.ROTATE, "once")


@pytest.mark.parametrize(
    "begin",
    [_create, _scale_down, _replace, _host_drained, _host_lost, _upgrade, _upgrade_that_fails, _rotate],
    ids=lambda begin: begin.__name__.strip("_"),
)
def test_what_was_begun_is_finished(world: World, begin: Callable[[World], None]) -> None:
    """After every call at which the controller may be killed, one that starts anew reaches the same state."""
    begin(world)
    begun = world.saved()
    world.keep(world.controller())
    wanted = world.shown()
    for number, call in enumerate(list(world.life.calls), 1):
        world.restore(begun)
        with pytest.raises(Killed):
            world.keep(world.controller(ends=number))
        world.keep(world.controller())
        assert world.shown() == wanted, f"killed after call {number}, {call}"


def test_what_is_in_a_region_that_is_cut_off_stays(world: World) -> None:
    """Whoever looks, as long as its grace lasts; then it is made elsewhere."""
    for host, region in zip(HOSTS, ("home", "south"), strict=True):
        world.manager.get("Node", "", host)["metadata"]["labels"] = {lost.REGION: region}
    world.keep(world.controller())
    before = world.pods()
    assert {host for _, host in before} == {HOSTS[0]}
    world.silence(HOSTS[0], since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    for node in world.inside.of("Node"):
        node["status"] = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    for _ in range(3):
        look = world.controller().reconcile(world.resource)
        assert look is not None
        assert not look.happened
        assert world.pods() == before
    [told] = [one.message for one in look.found.conditions if one.type == "NodesReady"]
    assert "2 in region home, which is cut off since 20" in told
    world.silence(HOSTS[0], since="2026-05-04T03:02:01Z")
    look = world.controller().reconcile(world.resource)
    assert look is not None
    assert look.happened[0].message == f"what was on {HOSTS[0]} is made elsewhere"
    world.keep(world.controller())
    assert {host for _, host in world.pods()} == {HOSTS[1]}


def test_a_version_that_does_not_come_up_is_given_up(world: World) -> None:
    """The control plane is back on the one before, no node ever left it, and the same is not tried again by itself."""
    _upgrade_that_fails(world)
    world.keep(world.controller())
    assert world.versions() == {OLDER}
    plane = world.resource["status"]["controlPlane"]
    assert (plane["version"], plane["failed"][0]["version"]) == (OLDER, NEWER)
    (told,) = [one for one in world.resource["status"]["conditions"] if one["type"] == "VersionReached"]
    assert told["status"] == "False"
    assert NEWER in told["message"]
    world.broken = ""
    world.keep(world.controller())
    assert world.versions() == {OLDER}


@pytest.mark.parametrize("then", [OLDER, NEWER])
def test_after_that_it_goes_where_it_is_told(world: World, then: str) -> None:
    """Back to what it runs, or once more."""
    _upgrade_that_fails(world)
    world.keep(world.controller())
    world.broken = ""
    world.upgrade(then)
    world.keep(world.controller())
    assert world.versions() == {then}
    assert world.resource["status"]["phase"] == "Ready"


def test_no_node_is_newer_than_the_control_plane(world: World) -> None:
    """One that is missing while API servers are replaced is made as those that are there."""
    world.keep(world.controller())
    world.broken = NEWER
    world.upgrade(NEWER)
    pod = world.manager.of("Pod", NAMESPACE)[0]["metadata"]["name"]
    del world.manager.held["Pod", NAMESPACE, pod]
    world.controller().reconcile(world.resource)
    assert world.versions() == {OLDER, NEWER}
    assert len(world.manager.of("Pod", NAMESPACE)) == 2
    assert world.node_versions() == {OLDER}


def test_a_host_that_is_to_be_empty_is_left(world: World) -> None:
    """By every node of the cluster, each with its successor elsewhere first; let in again, they stay where they are."""
    _host_drained(world)
    world.keep(world.controller())
    assert {pod["spec"]["nodeName"] for pod in world.manager.of("Pod", NAMESPACE)} == {HOSTS[1]}
    before = world.shown()
    node = world.manager.get("Node", "", HOSTS[0])
    node["metadata"]["annotations"], node["spec"] = {}, {}
    world.keep(world.controller())
    moved = [line.replace(draining.SINCE, "") for line in before if '"Node"' not in line]
    assert [line for line in world.shown() if '"Node"' not in line] == moved


def test_a_control_plane_leaves_a_host_that_is_to_be_empty(world: World) -> None:
    """By another template, which brings successors up first; it stays so, or its pods would be replaced once more."""

    def template() -> Document:
        found: Document = world.manager.get("Deployment", NAMESPACE, hosted.CONTROL_PLANE)["spec"]["template"]
        return copy.deepcopy(found)

    world.keep(world.controller())
    labels = hosted.labels(NAME, hosted.CONTROL_PLANE)
    meta = {"name": "control-plane-1", "namespace": NAMESPACE, "labels": labels}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}}
    world.manager.put(pod)
    world.manager.get("Pod", NAMESPACE, "control-plane-1")["spec"]["nodeName"] = HOSTS[1]
    before = template()
    _host_drained(world)
    world.keep(world.controller())
    assert template() == before, "its pods are on another host"
    world.manager.get("Pod", NAMESPACE, "control-plane-1")["spec"]["nodeName"] = HOSTS[0]
    world.keep(world.controller())
    moved = template()
    assert hosted.moved(moved["metadata"]["annotations"]) == "2026-05-04T03:02:01+00:00"
    assert moved["spec"] == before["spec"]
    del world.manager.held["Pod", NAMESPACE, "control-plane-1"]
    world.manager.get("Node", "", HOSTS[0])["metadata"]["annotations"] = {}
    world.keep(world.controller())
    assert template() == moved


def test_a_delete_leaves_nothing(world: World) -> None:
    """Wherever in it the controller is killed: what stays is what was there before the cluster."""
    before = world.outside()
    world.keep(world.controller())
    begun = world.saved()
    world.delete(world.controller())
    assert world.outside() == before
    for number, call in enumerate(list(world.life.calls), 1):
        world.restore(begun)
        with pytest.raises(Killed):
            world.delete(world.controller(ends=number))
        world.delete(world.controller())
        assert world.outside() == before, f"killed after call {number}, {call}"


def test_a_create_that_was_killed_is_deleted_as_any_other(world: World) -> None:
    """Half a cluster is taken away as a whole one is."""
    before, begun = world.outside(), world.saved()
    world.keep(world.controller())
    for number, call in enumerate(list(world.life.calls), 1):
        world.restore(begun)
        with pytest.raises(Killed):
            world.keep(world.controller(ends=number))
        world.delete(world.controller())
        assert world.outside() == before, f"killed after call {number}, {call}"


def test_a_control_plane_stays_where_its_data_is(world: World) -> None:
    """Its new home is that of its new datastore; while that does not serve, nothing is replaced."""
    world.keep(world.controller())
    before = world.manager.get("Deployment", NAMESPACE, hosted.CONTROL_PLANE)["spec"]
    world.resource["spec"]["controlPlane"] = {"region": "home"}
    world.resource["metadata"]["generation"] += 1
    look = world.controller().reconcile(world.resource)
    assert look is not None
    told = {one.type: one for one in look.found.conditions}
    assert told["ControlPlaneReady"].ok
    assert not told["DatastoreReady"].ok
    assert "from datastore shared to shared-home" in told["DatastoreReady"].message
    assert world.manager.get("Deployment", NAMESPACE, hosted.CONTROL_PLANE)["spec"] == before

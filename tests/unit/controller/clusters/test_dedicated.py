"""Nodes that are whole hosts: marked, emptied, let go; and what is told of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from installer.controller.clusters import dedicated
from installer.controller.clusters.dedicated import Dedicated
from installer.controller.clusters.drain import PodOnNode
from installer.controller.clusters.inside import HostSeen, Inside
from installer.controller.manager_api import Api
from installer.controller.status import status
from installer.core.clock import SystemClock
from installer.kubernetes import draining, egress
from installer.kubernetes.marks import Marks
from installer.spec.cluster import Cluster
from tests.fakes.kubernetes import FakeApi, Killed, Life
from tests.unit.controller.clusters.world import HOST_ADDRESS, NAMESPACE, PASSES, World
from tests.unit.kubernetes import fixed

NOW = 1_800_000_000.0
SINCE = "2027-01-15T08:00:00+00:00"  # the same moment
POD = PodOnNode(namespace="default", name="db", uid="1")
JOINED = HostSeen(name="metal-1", ready=True, address="192.0.2.31", version="1.36.3")


def cluster(*hosts: str, **pool: Any) -> Cluster:
    """With one pool of whole hosts."""
    return fixed.cluster(pools=[{"name": "metal", "kind": "dedicated", "hosts": list(hosts), **pool}])


@dataclass
class Nodes:
    """The cluster's API, as far as its hosts go."""

    hosts: list[HostSeen]
    pods: list[PodOnNode] = field(default_factory=list)
    refuses: str = ""
    done: list[str] = field(default_factory=list)
    marked: dict[str, Marks] = field(default_factory=dict)

    @property
    def api(self) -> Nodes:
        return self

    def mark(self, name: str, wanted: Marks) -> bool:
        self.marked[name] = wanted
        return True

    def change(self, node: str, patch: dict[str, Any], what: str) -> None:
        del what
        annotations = patch["metadata"]["annotations"]
        seen = next(one for one in self.hosts if one.name == node)
        self.hosts.remove(seen)
        since = annotations.get(draining.SINCE, seen.since) or ""
        self.hosts.append(replace(seen, since=since, leaves=bool(annotations.get(draining.LEAVES))))
        self.done.append(f"change {node} {since}".strip())

    def pods_on(self, node: str) -> list[PodOnNode]:
        del node
        return self.pods

    def evict(self, pod: PodOnNode) -> str | None:
        if not self.refuses:
            self.pods.remove(pod)
        self.done.append(f"evict {pod.path}")
        return self.refuses or None

    def delete(self, kind: type[Any], name: str, namespace: str | None = None) -> None:
        del namespace
        self.done.append(f"delete {kind.__name__} {name}")
        self.hosts = [one for one in self.hosts if one.name != name]


class Trial:
    """One cluster's dedicated hosts, at a moment that does not pass by itself."""

    def __init__(self, nodes: Nodes) -> None:
        self.manager = FakeApi()
        self.nodes = nodes
        self.now = NOW
        self.dedicated = Dedicated("team-a", Api(cast(Any, self.manager.client(Life()))), now=lambda: self.now)

    def tend(self, wanted: Cluster) -> list[str]:
        """A pass; what happened."""
        self.nodes.done.clear()
        return [one.reason for one in self.dedicated.tend(wanted, cast(Inside, self.nodes))]

    def told(self, wanted: Cluster) -> str:
        condition = self.dedicated.condition(wanted)
        return f"{condition.reason}: {condition.message}" if condition else ""


def test_it_gets_the_marks_of_its_pool() -> None:
    """Labels, taints, and which host it is."""
    trial = Trial(Nodes([JOINED]))
    wanted = cluster("metal-1", labels={"disk": "fast"}, taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert trial.tend(wanted) == []
    marked = trial.nodes.marked["metal-1"]
    assert marked.labels == {"disk": "fast", "moorage.dev/pool": "metal", "moorage.dev/host": "metal-1"}
    assert [taint.key for taint in marked.taints] == ["gpu"]


@pytest.mark.parametrize(
    ("hosts", "seen", "told"),
    [
        (("metal-1",), (JOINED,), "Ready: 1 of 1 hosts are ready"),
        (("metal-1",), (), "NotJoined: metal-1 has not joined: `moorage up` joins it"),
        (("metal-1",), (replace(JOINED, ready=False),), "Updating: metal-1 is not ready"),
        (("metal-1",), (replace(JOINED, since=SINCE),), f"Updating: metal-1 is drained since {SINCE}"),
        (
            ("metal-1",),
            (replace(JOINED, version="1.35.9"),),
            "Updating: metal-1 runs Kubernetes 1.35.9: `moorage up` brings it to 1.36.3",
        ),
        ((), (JOINED,), "Updating: metal-1 is to leave"),
        ((), (), ""),
    ],
)
def test_what_is_told(hosts: tuple[str, ...], seen: tuple[HostSeen, ...], told: str) -> None:
    """By name, with the command that goes on."""
    trial = Trial(Nodes(list(seen), pods=[POD], refuses="a budget"))
    trial.tend(cluster(*hosts))
    assert trial.told(cluster(*hosts)).startswith(told)


@pytest.mark.parametrize(
    ("whose", "hosts", "told"),
    [
        ("team-b", ["metal-1"], "Updating: metal-1 is named by cluster team-b, too: take it out of all but one"),
        ("team-b", ["metal-2"], "Ready: 1 of 1 hosts are ready"),
        ("team-a", ["metal-1"], "Ready: 1 of 1 hosts are ready"),  # itself
    ],
)
def test_two_clusters_that_name_one_host_both_say_so(whose: str, hosts: list[str], told: str) -> None:
    """With kubectl they can; it is left as it is, and `up` refuses."""
    trial = Trial(Nodes([JOINED]))
    other = cluster(*hosts).model_dump(mode="json", by_alias=True)
    trial.manager.put({**other, "metadata": {"name": whose}})
    trial.tend(cluster("metal-1"))
    assert trial.told(cluster("metal-1")) == told


def test_one_that_no_pool_names_is_emptied_before_it_goes() -> None:
    """Cordoned first, then its pods are evicted, then its node is deleted."""
    trial = Trial(Nodes([JOINED], pods=[POD]))
    assert trial.tend(cluster()) == ["NodeDraining"]
    assert trial.nodes.done == [f"change metal-1 {SINCE}"]
    assert trial.tend(cluster()) == []
    assert trial.nodes.done == ["evict default/db"]
    assert trial.dedicated.empties
    assert trial.tend(cluster()) == ["NodeRemoved"]
    assert trial.nodes.done == ["delete Node metal-1"]


def test_a_budget_holds_it_until_its_time_is_over() -> None:
    """What holds it is told meanwhile; five minutes is what a pool that is gone gives."""
    trial = Trial(Nodes([JOINED], pods=[POD], refuses="the budget of db"))
    trial.tend(cluster())
    assert trial.tend(cluster()) == []
    assert "default/db: the budget of db" in trial.told(cluster())
    trial.now += 301
    assert trial.tend(cluster()) == ["DrainTimedOut", "NodeRemoved"]


def test_one_that_is_named_again_stays() -> None:
    """Its drain ends, whoever else asked for it or not."""
    trial = Trial(Nodes([replace(JOINED, since=SINCE, leaves=True)], pods=[POD]))
    assert trial.tend(cluster("metal-1")) == ["DrainCancelled"]
    assert trial.nodes.done == ["change metal-1"]


def test_one_that_is_to_be_changed_is_emptied_and_stays() -> None:
    """The installer asked; after its pool's time pods go whether they may or not."""
    trial = Trial(Nodes([replace(JOINED, since=SINCE)], pods=[POD], refuses="the budget of db"))
    wanted = cluster("metal-1", drainTimeout="30s", forceDrain=True)
    assert trial.tend(wanted) == []
    trial.now += 31
    assert trial.tend(wanted) == ["DrainTimedOut"]
    assert trial.nodes.done == ["delete Pod db"]


def test_without_force_a_budget_holds_it_for_as_long_as_it_takes() -> None:
    """That it takes longer than it should is told, with what holds it."""
    trial = Trial(Nodes([replace(JOINED, since=SINCE)], pods=[POD], refuses="the budget of db"))
    wanted = cluster("metal-1", drainTimeout="30s")
    trial.now += 3600
    assert trial.tend(wanted) == []
    assert trial.nodes.done == ["evict default/db"]
    trial.nodes.hosts = [replace(JOINED, since=SINCE)]
    told = trial.told(wanted)
    assert "metal-1 is drained since" in told
    assert "for longer than drainTimeout, 30s, and not by force; default/db: the budget of db" in told
    trial.nodes.refuses = ""
    trial.now += 10
    trial.tend(wanted)
    assert trial.nodes.pods == []


def test_api_servers_are_led_to_those_that_are_ready() -> None:
    """Beside node pods; nothing is left where there are none."""
    trial = Trial(Nodes([JOINED, replace(JOINED, name="metal-2", ready=False)]))
    trial.tend(cluster("metal-1", "metal-2"))
    found = trial.manager.get("EndpointSlice", NAMESPACE, egress.HOSTS)
    assert [one["addresses"] for one in found["endpoints"]] == [["192.0.2.31"]]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == egress.NAME
    trial.nodes.hosts = []
    trial.tend(fixed.cluster())
    assert trial.manager.of("EndpointSlice") == []


# --- with all of the controller -------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A cluster with node pods and a host that has joined; no time passes."""
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
    made = World(tmp_path, monkeypatch)
    made.join("metal-1")
    return made


def test_it_counts_among_the_nodes(world: World) -> None:
    """Its node is not taken for one whose pod is gone, and pods may come to it."""
    world.keep(world.controller())
    status = world.resource["status"]
    assert status["nodes"]["summary"] == "3/3"
    assert {"name": "metal-1", "pool": "metal", "host": "metal-1", "ready": True, "draining": False} in status["nodes"][
        "items"
    ]
    assert world.inside.get("Node", "", "metal-1")["spec"]["taints"] == []
    assert {"host": "metal-1", "count": 0} in status["volumes"]


def test_one_that_leaves_while_the_controller_is_killed_after_every_call(world: World) -> None:
    """It is gone in the end, and so is all that was told of it."""
    world.keep(world.controller())
    world.resource["spec"]["pools"].pop()
    world.resource["metadata"]["generation"] += 1
    saved = world.saved()
    world.keep(world.controller())
    wanted, calls = world.shown(), len(world.life.calls)
    assert ("Node", "", "metal-1") not in world.inside.held
    for ends in range(1, calls + 1):
        world.restore(saved)
        with pytest.raises(Killed):
            world.keep(world.controller(ends))
        world.keep(world.controller())
        assert world.shown() == wanted, f"killed after call {ends}"


def test_a_deleted_cluster_does_not_look_for_its_volumes_there(world: World) -> None:
    """The manager has no pods on such a host; what is there goes when that is cleaned."""
    world.keep(world.controller())
    assert [one.message for one in world.controller().delete(world.resource)] == []


def test_all_hosts_of_a_cluster() -> None:
    """Of all its pools."""
    assert dedicated.hosts(cluster("metal-1", "metal-2")) == {"metal-1", "metal-2"}


def test_no_node_pod_is_made_for_volumes_there(world: World) -> None:
    """A pod of the manager could not be on such a host, however many volumes it has."""
    world.resource["status"] = {"volumes": [{"host": "metal-1", "count": 2}]}
    world.keep(world.controller())
    assert "metal-1" not in json.dumps([pod["spec"] for pod in world.manager.of("Pod", NAMESPACE)])


def test_what_runs_elsewhere_is_whole_without_it(world: World) -> None:
    """The controller has no say in when a host joins: who brings another bundle does not wait for that."""
    world.resource["spec"]["pools"][-1]["hosts"].append("metal-2")
    look = world.controller().reconcile(world.resource)
    for _ in range(PASSES):
        look = world.controller().reconcile(world.resource)
    assert look is not None
    assert look.found.serves
    assert not look.found.ready
    told = status(look.found, generation=1, before={})
    assert told["bundle"] == look.found.bundle != ""


@pytest.mark.parametrize(("since", "steady"), [("", True), (SINCE, False)])
def test_one_that_is_being_emptied_is_looked_at_again(world: World, since: str, steady: bool) -> None:
    """Even where nothing is left to be evicted: whoever asked for it lets pods in again."""
    controller = world.controller()
    world.keep(controller)
    node = world.inside.get("Node", "", "metal-1")
    node["metadata"]["annotations"] = {draining.SINCE: since} if since else {}
    look = controller.reconcile(world.resource)
    assert look is not None
    assert look.steady is steady


@pytest.mark.parametrize("joined", [True, False])
def test_nodes_of_a_cluster_are_watched_where_some_are_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joined: bool
) -> None:
    """Those of node pods are told by the manager's own pods."""
    world = World(tmp_path, monkeypatch)
    if joined:
        world.join("metal-1")
    controller = world.controller()
    world.keep(controller)
    assert controller.also().hosts is joined


def test_load_balancers_are_told_which_hosts_serve(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service of a cluster without node pods leads nowhere otherwise."""
    controller, told = world.controller(), list[Any]()
    monkeypatch.setattr(controller.load_balancers, "tend", lambda cluster, inside, hosts: told.append(hosts))
    world.keep(controller)
    assert told[-1] == (HOST_ADDRESS,)


@pytest.mark.parametrize(("surge", "made"), [(1, 1), (2, 2)])
def test_a_pools_pace_is_its_own(world: World, surge: int, made: int) -> None:
    """As many successors start at once as it says."""
    controller = world.controller()
    world.keep(controller)
    before = len(world.manager.of("Pod", NAMESPACE))
    world.change(memory="3Gi", maxSurge=surge)
    controller.reconcile(world.resource)
    assert len(world.manager.of("Pod", NAMESPACE)) == before + made

"""Volumes of a cluster, on an API that is only a dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from lightkube import ApiError, Client, codecs
from lightkube.models.meta_v1 import Status
from lightkube.resources.core_v1 import Event, Node, PersistentVolume, PersistentVolumeClaim, Pod

from installer.controller.clusters import provisioning
from installer.controller.clusters.volumes import Volumes
from installer.controller.clusters.watch import matters
from installer.controller.manager_api import Api
from installer.controller.status import NodeFound
from installer.kubernetes import storage
from tests.unit.kubernetes import fixed

NODES = [NodeFound("general-1", "general", "worker-1", True)]
RECORDED = {"worker-1": 0}


class Objects:
    """A client whose API holds what it was given; a pod of ours ends when it is told to."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], dict[str, Any]] = {}

    def put(self, document: dict[str, Any], **status: Any) -> None:
        meta = {"resourceVersion": "1", "uid": document["metadata"]["name"], **document["metadata"]}
        held = {**document, "metadata": meta, **({"status": status} if status else {})}
        self.held[document["kind"], meta["name"]] = held

    def names(self, kind: type[Any]) -> list[str]:
        return [name for held, name in self.held if held == kind.__name__]

    def end(self, name: str) -> None:
        self.held["Pod", name]["status"] = {"phase": "Succeeded"}

    # --- what lightkube's client does -------------------------------------------------------------------------------

    def list(self, kind: type[Any], *, namespace: str | None, labels: dict[str, str]) -> Iterator[Any]:
        del namespace
        for (held, _), document in list(self.held.items()):
            has = document["metadata"].get("labels") or {}
            if held == kind.__name__ and labels.items() <= has.items():
                yield codecs.from_dict(document)

    def get(self, kind: type[Any], name: str, **_: Any) -> Any:
        if (kind.__name__, name) not in self.held:
            raise ApiError(status=Status(code=404, message="not found", reason="NotFound"))
        return codecs.from_dict(self.held[kind.__name__, name])

    def create(self, made: Any) -> None:
        if (made.kind, made.metadata.name) in self.held:
            raise ApiError(status=Status(code=409, message="it is there", reason="AlreadyExists"))
        self.put(made.to_dict())

    def apply(self, made: Any, **_: Any) -> None:
        self.put(made.to_dict())

    def delete(self, kind: type[Any], name: str, **_: Any) -> None:
        held = self.get(kind, name).to_dict()
        if held["metadata"].get("finalizers"):
            self.held[kind.__name__, name]["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
        else:
            del self.held[kind.__name__, name]

    def patch(self, kind: type[Any], name: str, changed: dict[str, Any], **_: Any) -> None:
        meta = self.held[kind.__name__, name]["metadata"]
        for key, value in changed["metadata"].items():
            meta[key] = {**meta[key], **value} if isinstance(value, dict) else value
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            del self.held[kind.__name__, name]


class World:
    """A manager with two workers and a cluster with one node."""

    def __init__(self) -> None:
        self.manager, self.inside = Objects(), Objects()
        self.host("worker-1")
        self.host("worker-2")
        self.inside.put(storage.storage_class())
        self.now = 0.0
        self.api = Api(cast(Client, self.inside))
        self.volumes = Volumes("team-a", Api(cast(Client, self.manager)), fixed.settings(), now=lambda: self.now)

    def host(self, name: str, *, ready: bool = True) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        self.manager.put(node, conditions=[{"type": "Ready", "status": str(ready)}])

    def claim(self, number: int, *, on: str = "general-1", **spec: Any) -> str:
        """Make a claim that waits; the name of its volume."""
        uid = f"0f0f0f0f-1111-2222-3333-{number:012d}"
        annotations = {
            "volume.kubernetes.io/storage-provisioner": storage.PROVISIONER,
            provisioning.SELECTED_NODE: on,
        }
        meta = {"name": f"data-{number}", "namespace": "default", "uid": uid, "annotations": annotations}
        asked = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "moorage",
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        }
        self.inside.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": asked})
        self.volumes.changed()
        return f"pvc-{uid}"

    def bind(self, number: int, volume: str, *, phase: str = "Bound") -> None:
        self.inside.held["PersistentVolumeClaim", f"data-{number}"]["spec"]["volumeName"] = volume
        self.inside.held["PersistentVolume", volume]["status"] = {"phase": phase}

    def tend(self) -> bool:
        return self.volumes.tend(fixed.cluster(), self.api, NODES, RECORDED)


@pytest.fixture
def world() -> World:
    return World()


def test_a_volume_comes_and_goes(world: World) -> None:
    """A pod makes the directory; the volume is there once that has ended; another removes it; nothing is left."""
    name = world.claim(1)
    assert not world.tend()
    assert world.manager.names(Pod) == [f"make-{name}"]
    assert not world.tend() and world.inside.names(PersistentVolume) == []
    world.manager.end(f"make-{name}")
    assert not world.tend() and world.inside.names(PersistentVolume) == [name]
    world.bind(1, name)
    assert not world.tend() and world.manager.names(Pod) == []
    assert world.tend()
    assert world.volumes.record({}, NODES) == {"worker-1": 1}

    world.bind(1, name, phase="Released")
    world.volumes.changed()
    assert not world.tend() and world.manager.names(Pod) == [f"remove-{name}"]
    world.manager.end(f"remove-{name}")
    assert not world.tend() and world.inside.names(PersistentVolume) == []
    assert not world.tend() and world.manager.names(Pod) == []
    assert world.tend()
    assert world.volumes.record({}, NODES) == {"worker-1": 0}


def test_on_a_dedicated_host_the_cluster_itself_makes_and_removes(world: World) -> None:
    """The manager has no pods there."""
    nodes, recorded = [NodeFound("metal-1", "metal", "metal-1", True)], {"metal-1": 0}
    name = world.claim(1, on="metal-1")
    assert not world.volumes.tend(fixed.cluster(), world.api, nodes, recorded)
    assert world.manager.names(Pod) == []
    assert world.inside.names(Pod) == [f"make-{name}"]


def test_nothing_is_made_where_it_would_be_forgotten(world: World) -> None:
    """The host is in the cluster's status first."""
    world.claim(1)
    assert not world.volumes.tend(fixed.cluster(), world.api, NODES, {})
    assert world.manager.names(Pod) == []


def test_a_pod_that_somebody_deleted_is_made_again(world: World) -> None:
    """And one that is there is left as it is."""
    name = world.claim(1)
    world.tend()
    del world.manager.held["Pod", f"make-{name}"]
    world.tend()
    assert world.manager.names(Pod) == [f"make-{name}"]
    world.manager.end(f"make-{name}")
    world.tend()
    world.tend()
    assert world.inside.names(PersistentVolume) == [name]


def test_hosts_that_a_tenant_makes_up_are_not_recorded(world: World) -> None:
    """Nodes are placed by what is recorded."""
    name = "pvc-0f0f0f0f-1111-2222-3333-000000000001"
    wanted = storage.Volume(
        name=name,
        host="no such host",
        claim={"name": "a", "namespace": "b", "uid": "1"},
        size="1Gi",
        access_modes=("ReadWriteOnce",),
        storage_class="moorage",
        reclaim_policy="Delete",
    )
    world.inside.put(storage.volume("team-a", wanted), phase="Bound")
    world.tend()
    assert world.volumes.record({}, []) == {}


def test_not_more_than_some_at_once(world: World) -> None:
    """Whoever makes a thousand claims keeps the manager for others."""
    for number in range(20):
        world.claim(number)
    world.tend()
    assert len(world.manager.names(Pod)) == 8
    world.manager.end(world.manager.names(Pod)[0])
    world.tend()
    assert len(world.manager.names(Pod)) == 9  # one of them has ended


def test_a_refusal_is_told_once(world: World) -> None:
    """And again after a while; it keeps nobody busy."""
    world.claim(1, accessModes=["ReadWriteMany"])
    assert world.tend()
    world.volumes.changed()
    world.tend()
    (event,) = (world.inside.held["Event", name] for name in world.inside.names(Event))
    assert (event["reason"], event["type"]) == ("ProvisioningFailed", "Warning")
    assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == "default"
    assert event["involvedObject"]["kind"] == "PersistentVolumeClaim" and event["involvedObject"]["apiVersion"] == "v1"
    world.now += 301
    world.tend()
    assert len(world.inside.names(Event)) == 2


def test_a_node_that_is_gone_is_taken_off_the_claim(world: World) -> None:
    """So that the scheduler chooses again."""
    world.claim(1)
    world.volumes.tend(fixed.cluster(), world.api, [], RECORDED)
    meta = world.inside.held["PersistentVolumeClaim", "data-1"]["metadata"]
    assert meta["annotations"][provisioning.SELECTED_NODE] is None


def test_a_look_is_taken_when_one_is_due(world: World) -> None:
    """Something changed, or a minute is over."""
    assert world.tend()
    world.claim(1)
    world.volumes._changed.clear()
    assert world.tend() and world.manager.names(Pod) == []
    world.now += 61
    assert not world.tend() and world.manager.names(Pod)


def test_hosts_are_remembered_until_the_cluster_is_deleted(world: World) -> None:
    """Before the first look, what the status says stands; a node leaves a directory, if an empty one."""
    assert world.volumes.record({"worker-2": 3}, NODES) == {"worker-1": 0, "worker-2": 3}
    world.tend()
    assert world.volumes.record({"worker-2": 3}, []) == {"worker-2": 0}
    assert world.volumes.record({"worker-9": 3}, []) == {}, "such a host is none of the platform's any more"


def test_a_cluster_that_goes_is_removed_from_its_hosts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being made ends first; a host that is away is told, and so is one that was taken out."""
    name = world.claim(1)
    world.tend()
    assert world.manager.names(Pod) == [f"make-{name}"]
    world.host("worker-2", ready=False)

    def passes(seconds: float) -> None:
        del seconds
        for pod in world.manager.names(Pod):
            world.manager.end(pod)

    monkeypatch.setattr("time.sleep", passes)
    left = world.volumes.clear({"worker-1", "worker-2", "worker-9"})
    assert world.manager.names(Pod) == []
    assert [one.message for one in left] == [
        "host worker-2 is not reached: /var/lib/moorage/volumes/team-a stays there",
        "host worker-9 is not reached: /var/lib/moorage/volumes/team-a stays there",
    ]
    assert world.manager.names(Node) == ["worker-1", "worker-2"]


@pytest.mark.parametrize(
    ("event", "phase", "matter"),
    [("ADDED", "Pending", True), ("MODIFIED", "Bound", False), ("DELETED", "Bound", True), ("MODIFIED", None, True)],
)
def test_which_changes_matter(event: str, phase: str | None, matter: bool) -> None:
    """Not those of a claim that is in use, or each connection would wake everybody."""
    found = PersistentVolumeClaim.from_dict({"metadata": {"name": "a"}, "status": {"phase": phase}})
    assert matters(event, found) is matter

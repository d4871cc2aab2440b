"""What clusters learn of their datastore from what its daemon found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from installer.controller.datastores.datastores import Datastores
from installer.controller.datastores.one_pass import DatastoreNotReadyError, Look, Serving
from installer.controller.datastores.reconciler import parse
from installer.controller.datastores.status import Found
from installer.controller.manager_api import Api
from installer.controller.status import Condition
from installer.kubernetes.client import ClusterResource, DatastoreResource
from installer.kubernetes.settings import RegionSettings
from tests.unit.kubernetes import fixed

WELL = Found(
    available=Condition("Available", True, "Serving"),
    members_ready=Condition("MembersReady", True, "Ready"),
    space=Condition("SpaceAvailable", True, "RoomLeft"),
)


class Manager:
    """A manager's API with some resources, as far as Datastores asks for them; keeps what is created and deleted."""

    def __init__(self, *resources: Any) -> None:
        self.resources = {(type(one), one.metadata.name): one for one in resources}
        self.changes: list[str] = []

    def get(self, kind: type, name: str, *, namespace: str | None = None) -> Any:
        return self.resources[kind, name]

    def list(self, kind: type, *, namespace: str | None = None, labels: Any = None) -> list[Any]:
        return [one for (of, _), one in self.resources.items() if of is kind]

    def create(self, resource: Any) -> None:
        self.changes.append(f"create {resource.metadata.name} {resource.spec['members']} {resource.metadata.labels}")

    def patch(self, kind: type, name: str, change: Any, **_: Any) -> None:
        self.changes.append(f"patch {name} {change}")

    def delete(self, kind: type, name: str, *, namespace: str | None = None, grace_period: int | None = None) -> None:
        self.changes.append(f"delete {name}")
        del self.resources[kind, name]


class Missing(Api):
    """An Api for which what the fake does not have is not there."""

    def get(self, kind: Any, name: str, namespace: str | None = None) -> Any:
        return self.client.resources.get((kind, name))  # type: ignore[attr-defined]


def datastores(tmp_path: Path, *resources: Any, managers: int = 3) -> tuple[Datastores, Manager]:
    manager = Manager(*resources)
    return Datastores(Missing(manager), fixed.settings(managers=managers), tmp_path), manager  # type: ignore[arg-type]


def cluster(name: str, datastore: str | None = None, status: Any = None, **meta: Any) -> Any:
    spec = {"datastore": datastore} if datastore else {}
    return ClusterResource.from_dict({"metadata": {"name": name, **meta}, "spec": spec, "status": status or {}})


def store(name: str, owner: str = "", **meta: Any) -> Any:
    labels = {"moorage.dev/cluster": owner} if owner else {}
    return DatastoreResource.from_dict({"metadata": {"name": name, "labels": labels, **meta}})


def test_who_uses_a_datastore(tmp_path: Path) -> None:
    """By name or by default; a cluster that goes takes its own along, and keeps no shared one from anything."""
    found, _ = datastores(
        tmp_path,
        cluster("b"),
        cluster("a", "shared"),
        cluster("c", "large"),
        cluster("d", "dedicated"),
        cluster("e", "dedicated", deletionTimestamp="2026-05-04T03:02:01Z"),
        cluster("f", deletionTimestamp="2026-05-04T03:02:01Z"),
    )
    assert found.users("shared") == ("a", "b", "f")
    assert found.users("large") == ("c",)
    assert found.users("cluster-d") == ("d",)
    assert found.users("cluster-e") == ()


def test_who_uses_a_datastore_while_clusters_move(tmp_path: Path) -> None:
    """Where the data is, where it goes to, and where some is left; what is left in its own keeps that from nothing."""
    found, _ = datastores(
        tmp_path,
        cluster("going", "large", status={"datastore": {"name": "shared", "also": "large"}}),
        cluster("gone", "large", status={"datastore": {"name": "large", "also": "shared"}}),
        cluster("away", "large", status={"datastore": {"name": "large", "also": "cluster-away"}}),
        cluster("still", "large", status={"datastore": {"name": "cluster-still", "also": "large"}}),
    )
    assert found.users("shared") == ("going", "gone")
    assert found.users("large") == ("away", "going", "gone", "still")
    assert found.users("cluster-away") == ()
    assert found.users("cluster-still") == ("still",)


@pytest.mark.parametrize(
    ("spec", "managers", "created"),
    [
        ({}, 3, "create shared 3 {}"),
        ({}, 1, "create shared 1 {}"),
        ({"datastore": "dedicated"}, 3, "create cluster-team-a 1 {'moorage.dev/cluster': 'team-a'}"),
        (
            {"datastore": "dedicated", "controlPlane": {"replicas": 2}},
            3,
            "create cluster-team-a 3 {'moorage.dev/cluster': 'team-a'}",
        ),
    ],
)
def test_ours_are_made_when_they_are_missing(tmp_path: Path, spec: dict[str, Any], managers: int, created: str) -> None:
    """The cluster waits until it serves."""
    found, manager = datastores(tmp_path, managers=managers)
    found.provide(fixed.cluster(**spec))
    with pytest.raises(DatastoreNotReadyError, match="is being looked at"):
        found.serving(created.split()[1])
    assert manager.changes == [created]


@pytest.mark.parametrize(
    ("region", "created", "members", "where"),
    [("north", "shared-north", 3, {"region": "north"}), ("south", "shared-south", 1, {"region": "south"})],
)
def test_those_of_a_home_are_made_there(
    tmp_path: Path, region: str, created: str, members: int, where: dict[str, str]
) -> None:
    """With as many members as there are managers for; `dedicated` as well."""
    settings = fixed.settings(
        regions={
            name: RegionSettings(managers=managers, carries=True, grace_s=1800.0)
            for name, managers in (("north", 3), ("south", 1))
        }
    )
    manager = Manager()
    found = Datastores(Missing(manager), settings, tmp_path)  # type: ignore[arg-type]
    made: list[Any] = []
    manager.create = made.append  # type: ignore[method-assign]
    plane = {"replicas": 2, "region": region}
    found.provide(fixed.cluster(controlPlane=plane))
    found.provide(fixed.cluster(controlPlane=plane, datastore="dedicated"))
    assert [one.metadata.name for one in made] == [created, "cluster-team-a"]
    assert [one.spec for one in made] == [{"members": members, **where}] * 2


def _serving_in(region: str) -> Look:
    return Look(WELL, steady=True, serving=Serving((), None, None, region))  # type: ignore[arg-type]  # not asked


@pytest.mark.parametrize(
    ("spec", "there", "changes"),
    [
        ({"region": "south"}, "north", ["patch cluster-team-a {'spec': {'region': 'south'}}"]),
        ({"region": "south"}, "south", []),
        ({}, "north", ["patch cluster-team-a {'spec': {'region': None}}"]),
        ({}, "", []),
    ],
)
def test_its_own_goes_along(tmp_path: Path, spec: dict[str, str], there: str, changes: list[str]) -> None:
    """Those of others stay where they are."""
    found, manager = datastores(tmp_path)
    found.note("cluster-team-a", _serving_in(there))
    found.note("large", _serving_in(there))
    found.provide(fixed.cluster(controlPlane=spec, datastore="dedicated"))
    found.provide(fixed.cluster(controlPlane=spec, datastore="large"))
    assert manager.changes == changes


def test_members_on_their_way_to_another_region_are_told(tmp_path: Path) -> None:
    """The cluster is under way until they are there."""
    found, _ = datastores(tmp_path)
    found.note("shared", Look(replace(WELL, outside=("shared-0", "shared-1")), steady=False))
    condition = found.condition("shared")
    assert (condition.ok, condition.reason) == (False, "Updating")
    assert condition.message == "datastore shared: shared-0, shared-1 follow to its region, one by one"


@pytest.mark.parametrize(
    ("spec", "resources", "said"),
    [
        ({"datastore": "large"}, (), "there is no datastore large"),
        ({"datastore": "dedicated"}, (store("cluster-team-a"),), "which is not this cluster's own"),
        ({}, (store("shared", deletionTimestamp="2026-05-04T03:02:01Z"),), "is being deleted"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, spec: dict[str, Any], resources: Any, said: str) -> None:
    """And nothing is made."""
    found, manager = datastores(tmp_path, *resources)
    with pytest.raises(DatastoreNotReadyError, match=said):
        found.provide(fixed.cluster(**spec))
    assert manager.changes == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "Ready"),
        ({"members_ready": Condition("MembersReady", False, "Replacing")}, "Ready"),  # it serves all the same
        ({"space": Condition("SpaceAvailable", False, "Full", "it is full")}, "DatastoreFull"),
        ({"available": Condition("Available", False, "NoQuorum", "no majority")}, "DatastoreNoQuorum"),
    ],
)
def test_a_cluster_is_told_what_concerns_it(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    """With the datastore's name and what helps."""
    found, _ = datastores(tmp_path)
    found.note("shared", Look(replace(WELL, **changed), steady=True))
    condition = found.condition("shared")
    assert (condition.type, condition.ok, condition.reason) == ("DatastoreReady", reason == "Ready", reason)
    assert "datastore shared" in condition.message


def test_its_own_goes_with_a_cluster(tmp_path: Path) -> None:
    """Once; and never one of that name which somebody else made."""
    found, manager = datastores(tmp_path, store("cluster-team-a", owner="team-a"), store("cluster-team-b"))
    left = [not found.release(name, f"cluster-{name}") for name in ("team-a", "team-a", "team-b")]
    assert left == [True, False, False]
    assert manager.changes == ["delete cluster-team-a"]


def test_keys_that_cannot_be_removed_keep_the_cluster(tmp_path: Path) -> None:
    """They would be there for the next cluster of that name."""
    held = DatastoreResource.from_dict({"metadata": {"name": "shared"}, "status": {"founded": True}})
    found, _ = datastores(tmp_path, held)
    with pytest.raises(DatastoreNotReadyError, match="still in it"):
        found.release("team-a", "shared")
    found, _ = datastores(tmp_path, store("shared"))
    found.release("team-a", "shared")  # it never served anybody


def test_a_resource_that_is_malformed_is_refused_by_path() -> None:
    """A value is not repeated."""
    found = parse({"metadata": {"name": "a"}, "spec": {"members": 2, "quota": "hunter2"}})
    assert isinstance(found, Condition)
    assert found.reason == "SpecRefused"
    assert "spec.members" in found.message
    assert "hunter2" not in found.message


def test_keys_go_with_a_datastore_that_is_deleted(tmp_path: Path) -> None:
    """So a cluster whose datastore will never serve again can be deleted: the datastore first."""
    meta = {"name": "shared", "deletionTimestamp": "2026-05-04T03:02:01Z"}
    going = DatastoreResource.from_dict({"metadata": meta, "status": {"founded": True}})
    found, manager = datastores(tmp_path, going)
    found.release("team-a", "shared")
    assert manager.changes == []

"""Passes over a datastore whose etcd and manager are dictionaries: founded, grown, shrunk, moved, killed in between."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import Client

from installer.controller.datastores import reconciler
from installer.controller.datastores.etcdctl import Member, Status, servers
from installer.controller.datastores.reconciler import DatastoreReconciler
from installer.controller.datastores.status import status
from installer.controller.manager_api import Api
from installer.core.clock import SystemClock
from installer.kubernetes import datastore, documents, draining, host, lost, pki
from tests.fakes.kubernetes import Document, FakeApi, Killed, Life
from tests.unit.kubernetes import fixed

SPACE = datastore.NAMESPACE
PASSES = 40  # more than any of these takes


class Etcd:
    """One etcd: who is a member of it, by address; a member answers while its pod runs."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.leader = "1"
        self.guarded = False
        self.made = 0

    def add(self, name: str, address: str, *, learner: bool) -> str:
        self.made += 1
        self.members[address] = Member(id=f"{self.made:x}", name=name, address=address, learner=learner)
        return f"{self.made:x}"

    def by_id(self, member: str) -> str:
        return next(address for address, one in self.members.items() if one.id == member)


class FakeEtcdctl:
    """etcdctl, as strict as etcd: a member with a vote goes or comes only while a majority runs."""

    def __init__(self, world: World, addresses: Sequence[str]) -> None:
        self.world = world
        self.servers = servers(addresses)
        self.due = False

    def members(self) -> tuple[Member, ...]:
        assert self._answers(), f"nobody of {self.servers} answers"
        return tuple(self.world.etcd.members.values())

    def statuses(self, addresses: Sequence[str]) -> dict[str, Status]:
        running, etcd = self.world.running(), self.world.etcd
        return {
            address: Status(
                id=etcd.members[address].id,
                leader=etcd.leader,
                revision=5,
                index=9000,
                size=2**20,
                in_use=2**20,
                troubled=False,
            )
            for address in addresses
            if address in running and address in etcd.members
        }

    def guarded(self) -> bool:
        return self.world.etcd.guarded

    def add_learner(self, name: str, address: str) -> str:
        def effect() -> str:
            assert address not in self.world.etcd.members
            assert not any(one.learner for one in self.world.etcd.members.values())
            return self.world.etcd.add("", address, learner=True)

        return str(self.world.life.call(f"etcdctl member add {name}", effect))

    def hand_over(self, leader: str, successor: str) -> None:
        def effect() -> None:
            assert leader in self.world.running()
            assert self.world.etcd.by_id(successor) in self.world.running()
            self.world.etcd.leader = successor

        self.world.life.call(f"etcdctl move-leader {successor}", effect)

    def run_all(self, commands: Iterable[Sequence[str]]) -> None:
        for command in commands:
            self.world.life.call(" ".join(("etcdctl", *command)), lambda command=command: self._run(command))  # type: ignore[misc]

    def _run(self, command: Sequence[str]) -> None:
        etcd = self.world.etcd
        match list(command):
            case ["member", "remove", member]:
                assert member != etcd.leader, "it would take an election"
                del etcd.members[etcd.by_id(member)]
                assert self.world.quorum(), f"no majority without {member}"
            case ["member", "promote", member]:
                address = etcd.by_id(member)
                assert address in self.world.running()
                etcd.members[address] = Member(id=member, name="x", address=address, learner=False)
            case ["auth", "enable"]:
                etcd.guarded = True
            case ["user", *_]:
                pass
            case _:
                raise AssertionError(command)

    def _answers(self) -> bool:
        return bool(self.world.running() & {server[len("https://") : -len(":2379")] for server in self.servers})


class World:
    """Managers, one datastore that one cluster reads from, and its etcd."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, managers: str, *, owner: str = "") -> None:
        self.folder = folder
        self.name = datastore.own(owner) if owner else datastore.SHARED
        self.etcd = Etcd()
        self.life = Life()
        self.revision = "1"  # of StatefulSets; pods have this one
        self.started = "2026-05-04T03:02:01Z"  # members
        self.api = FakeApi(self._kubernetes)
        for name in managers.split():
            self.manager(name)
        meta = {"name": self.name, "labels": {datastore.OWNER_LABEL: owner} if owner else {}}
        resource = {"apiVersion": "moorage.dev/v1", "kind": "Datastore", "metadata": meta}
        self.api.put({**resource, "spec": {"members": 3 if len(managers.split()) > 2 else 1}, "status": {}})
        monkeypatch.setattr(reconciler, "Etcdctl", lambda addresses, authority, folder: FakeEtcdctl(self, addresses))
        monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
        self.saved_authority = pki.new_ca("shared")
        self.api.put(datastore.authority_document(self.name, self.saved_authority))

    def manager(self, name: str, *, leaves: bool = False, region: str = "north") -> None:
        annotations = draining.leave("now")["metadata"]["annotations"] if leaves else {}
        meta = {"name": name, "labels": {host.ROLE_LABEL: "manager", lost.REGION: region}, "annotations": annotations}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        self.api.put({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": ready})

    @property
    def resource(self) -> Document:
        return self.api.get("Datastore", "", self.name)

    def running(self) -> set[str]:
        """Addresses of members whose pods run."""
        names = {pod["metadata"]["labels"].get(datastore.MEMBER_LABEL) for pod in self.api.of("Pod", SPACE)}
        found = [one for one in self.api.of("Service", SPACE) if one["metadata"]["name"] in names]
        return {one["spec"]["clusterIP"] for one in found}

    def quorum(self) -> bool:
        voters = [address for address, one in self.etcd.members.items() if not one.learner]
        return len(self.running() & set(voters)) > len(voters) // 2

    def settle(self, ends: int | None = None) -> None:
        """Pass after pass of one controller, each status written, until nothing is under way."""
        self.life = Life(ends)
        found = DatastoreReconciler(
            self.name, Api(cast(Client, self.api.client(self.life))), fixed.settings(managers=3), self.folder
        )
        for _ in range(PASSES):
            look = found.reconcile(self.resource, ["team-a"])
            told = status(look.found, generation=1, before=self.resource.get("status") or {})
            self.resource["status"] = json.loads(json.dumps(told))
            if look.serving:
                self._readers_follow(look.serving.servers)
            if look.steady and look.found.ready:
                return
        raise AssertionError(f"not settled: {look}")

    def _readers_follow(self, urls: Sequence[str]) -> None:
        command = ["kube-apiserver", f"--etcd-servers={','.join(urls)}"]
        pod = {"spec": {"containers": [{"name": "kube-apiserver", "command": command}]}}
        meta = {"name": "control-plane", "namespace": "cluster-team-a"}
        counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), 1)
        spec = {"replicas": 1, "selector": {}, "template": pod}
        made = self.api.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
        made["status"] = {"observedGeneration": made["metadata"]["generation"], **counts}

    def told(self, name: str) -> set[str]:
        """The addresses of all members, as one of them is told them for a start without data."""
        entries = documents.entries(self.api.get("Secret", SPACE, name)["data"])
        peers = datastore.told_cluster(entries).split(",")
        return {peer.partition("=https://")[2].removesuffix(":2380") for peer in peers}

    def placed(self) -> dict[str, str]:
        """The hosts of members."""
        sets = self.api.of("StatefulSet", SPACE)
        hosts = [one["spec"]["template"]["spec"]["nodeSelector"]["kubernetes.io/hostname"] for one in sets]
        return {one["metadata"]["name"]: where for one, where in zip(sets, hosts, strict=True)}

    def _kubernetes(self, written: Document) -> None:
        kind, meta = written["kind"], written["metadata"]
        if kind == "Service":
            written["spec"].setdefault("clusterIP", f"10.127.0.{20 + int(meta['name'][-1])}")
        if kind == "Pod":
            written["status"] = {"phase": "Succeeded"}
        if kind == "StatefulSet":
            seen = {"observedGeneration": meta["generation"], "updateRevision": self.revision}
            written["status"] = {**seen, "replicas": 1}
            self._start(written)

    def _start(self, written: Document) -> None:
        """A founder is a member at once; one that joins is one already."""
        name = written["metadata"]["name"]
        address = self.api.get("Service", SPACE, name)["spec"]["clusterIP"]
        if not written["metadata"]["annotations"][datastore.JOINED] and not self.etcd.guarded:
            if address not in self.etcd.members:
                self.etcd.add(name, address, learner=False)
        elif (known := self.etcd.members.get(address)) and not known.name:
            assert self.told(name) == self.etcd.members.keys(), "etcd refuses a list that is not its members'"
            self.etcd.members[address] = Member(id=known.id, name=name, address=address, learner=known.learner)
        labels = {**written["spec"]["template"]["metadata"]["labels"], "controller-revision-hash": "1"}
        running = {"running": {"startedAt": self.started}}
        ready = [{"name": "etcd", "ready": True, "restartCount": 0, "image": "", "imageID": "", "state": running}]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-0", "namespace": SPACE, "labels": labels},
        }
        self.api.held["Pod", SPACE, f"{name}-0"] = {
            **pod,
            "spec": {"containers": []},
            "status": {"phase": "Running", "containerStatuses": ready},
        }

    def saved(self) -> Any:
        return copy.deepcopy((self.api.held, self.etcd))

    def restore(self, saved: Any) -> None:
        self.api.held, self.etcd = copy.deepcopy(saved)


@pytest.mark.parametrize("fresh", [False, True])
def test_the_leader_hands_over_before_it_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    """No API server waits for an election; and none is left without a member, where others have just started."""
    world = World(tmp_path, monkeypatch, "a b c")
    world.started = datetime.now(UTC).isoformat(timespec="seconds") if fresh else world.started
    world.settle()
    leader, other = sorted(world.etcd.members.values(), key=lambda one: one.id != world.etcd.leader)[:2]
    world.revision = "2"
    for found in world.api.of("StatefulSet", SPACE):
        found["status"]["updateRevision"] = "2"
    with pytest.raises(AssertionError, match="not settled"):  # nobody starts pods anew here
        world.settle()
    acts = [call for call in world.life.calls if call.startswith(("etcdctl move-leader", "delete Pod"))]
    assert acts == ([] if fresh else [f"etcdctl move-leader {other.id}", f"delete Pod {leader.name}-0"])


def _grow(world: World) -> dict[str, str]:
    world.manager("b")
    world.manager("c")
    return {"shared-0": "a", "shared-1": "b", "shared-2": "c"}


def _shrink(world: World) -> dict[str, str]:
    _grow(world)
    world.settle()
    world.manager("a", leaves=True)
    world.manager("c", leaves=True)
    return {"shared-1": "b"}


def _move(world: World) -> dict[str, str]:
    world.manager("a", leaves=True)
    world.manager("b")
    return {"shared-1": "b"}


@pytest.mark.parametrize("change", [_grow, _shrink, _move], ids=["grow", "shrink", "move"])
def test_members_follow_the_managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Killed after any call, the next controller reaches the same; nothing is left of members that are not wanted."""
    world = World(tmp_path, monkeypatch, "a")
    world.settle()
    wanted = change(world)
    begun = world.saved()
    world.settle()
    for number, call in enumerate([*world.life.calls, "nothing"], 1):
        assert world.placed() == wanted, call
        assert all(world.told(name) == world.etcd.members.keys() for name in wanted), call
        assert world.quorum()
        assert {one["metadata"]["name"] for one in world.api.of("Service", SPACE)} == wanted.keys()
        secrets = {one["metadata"]["name"] for one in world.api.of("Secret", SPACE)}
        assert secrets == {*wanted, datastore.authority_secret(world.name)}
        assert world.resource["status"]["servedBy"] == sorted(wanted)
        assert world.resource["spec"]["members"] == len(wanted)
        world.restore(begun)
        if call != "nothing":
            with pytest.raises(Killed):
                world.settle(ends=number)
            world.settle()


@pytest.mark.parametrize(
    ("managers", "south", "placed"),
    [
        ("a", "b", {"b"}),
        ("a b c", "d e f", {"d", "e", "f"}),
        ("a b c", "d", {"d"}),
        ("a", "d e f", {"d"}),  # as many as before
    ],
)
def test_members_follow_to_another_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, managers: str, south: str, placed: set[str]
) -> None:
    """One by one, to as many as there are managers for; told while any is elsewhere; nothing is left there."""
    world = World(tmp_path, monkeypatch, managers, owner="own")
    spec = {"version": "1.37.2", "controlPlane": {"replicas": 1}}
    world.api.put({"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": "own"}, "spec": spec})
    world.resource["spec"]["region"] = "north"
    world.settle()
    for name in south.split():
        world.manager(name, region="south")
    world.settle()
    assert set(world.placed().values()) == set(managers.split())
    world.resource["spec"]["region"] = "south"
    world.settle()
    assert set(world.placed().values()) == placed
    assert len(world.etcd.members) == len(placed)
    assert {one["metadata"]["name"] for one in world.api.of("Service", SPACE)} == world.placed().keys()


def test_a_region_without_managers_can_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told which; a datastore that serves elsewhere stays there."""
    world = World(tmp_path, monkeypatch, "a")
    world.resource["spec"]["region"] = "south"
    controller = DatastoreReconciler(
        world.name, Api(cast(Client, world.api.client(Life()))), fixed.settings(), world.folder
    )
    look = controller.reconcile(world.resource, [])
    assert look.found.available.message == "1 members need a ready manager host each in region south; shared-0 has none"
    world.resource["spec"]["region"] = "north"
    world.settle()
    world.resource["spec"]["region"] = "south"
    look = controller.reconcile(world.resource, [])
    assert look.serving is not None
    assert look.found.outside == ("shared-0",)
    assert look.found.members_ready.message == "no manager host is free for member shared-1"


@pytest.mark.parametrize(("replicas", "members"), [(1, 1), (2, 3)])
def test_one_cluster_has_as_many_members_as_it_makes_use_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int, members: int
) -> None:
    """A control plane that cannot lose a replica need not be able to lose a member."""
    world = World(tmp_path, monkeypatch, "a", owner="own")
    spec = {"version": "1.37.2", "controlPlane": {"replicas": replicas}}
    world.api.put({"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": "own"}, "spec": spec})
    world.settle()
    _grow(world)
    world.settle()
    assert world.resource["spec"]["members"] == members
    assert len(world.placed()) == members

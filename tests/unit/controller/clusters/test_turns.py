"""Changes of all control planes at once, which take turns; on APIs that are dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import Client, codecs

from installer.controller.address_pools import AddressPools
from installer.controller.clusters import turns
from installer.controller.clusters.reconciler import ClusterReconciler, Look
from installer.controller.clusters.starts import Starts, begun
from installer.controller.datastores import one_pass
from installer.controller.datastores.datastores import Datastores
from installer.controller.drained_hosts import DrainedHosts
from installer.controller.manager_api import Api
from installer.controller.status import status
from installer.core.clock import SystemClock
from installer.kubernetes import hosted
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.cluster_status import QUEUED
from tests.fakes.kubernetes import Document, Killed, Life
from tests.unit.controller.clusters.world import AUTHORITY, NEWER, OLDER, WELL, FakeEtcdctl, World
from tests.unit.kubernetes import fixed

NAMES = ("a", "b", "c", "d", "e")
AT_ONCE = 2
OLD, NEW = "b" * 64, "c" * 64  # bundles
ALL = 60  # passes, more than it takes


class Many:
    """Five clusters without nodes, of which two may start at a time; their pods start when told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
        self.world = World(folder, monkeypatch)
        self.manager = self.world.manager
        kubernetes = self.manager._wrote
        self.manager._wrote = lambda written: self._wrote(written, kubernetes)
        self.life = Life()
        self.templates: dict[str, Document] = {}  # of the last write, by namespace
        self.slow = False  # pods take until `arrive`
        for name in NAMES:
            spec = {"version": OLDER, "pools": []}
            made = {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}
            self.manager.put(made)
        self.start(OLD)
        self.settle()

    def start(self, bundle: str, ends: int | None = None) -> None:
        """A controller, of a bundle, that knows nothing yet and is killed after so many calls."""
        self.life = Life(ends)
        api = Api(cast(Client, self.manager.client(self.life)))
        settings = fixed.settings(bundle=bundle)
        datastores = Datastores(api, settings, self.world.folder)
        etcdctl: Any = FakeEtcdctl(self.world.etcd, self.life)
        serving = one_pass.Serving(("https://192.0.2.1:2379",), AUTHORITY, etcdctl)
        datastores.note("shared", one_pass.Look(WELL, steady=True, serving=serving))
        shared: dict[str, Any] = {
            "pools": AddressPools(api, settings),
            "starts": Starts(lambda: AT_ONCE, under_way=lambda: begun(api)),
            "drained": DrainedHosts(api),
        }
        self.controllers = {name: ClusterReconciler(name, api, datastores, settings, **shared) for name in NAMES}

    def look(self, name: str) -> Look:
        """One pass over a cluster, and its status."""
        resource = self.manager.get("Cluster", "", name)
        look = self.controllers[name].reconcile(resource)
        assert look is not None
        generation = resource["metadata"]["generation"]
        found = status(look.found, generation=generation, before=resource.get("status") or {})
        self.manager.client(self.life).patch(ClusterResource.Status, name, {"status": found})
        return look

    def look_at_all(self) -> None:
        for name in NAMES:
            self.look(name)

    def settle(self) -> None:
        """Until nothing is under way; whatever starts has started by the next look."""
        for _ in range(ALL):
            looks = [self.look(name) for name in NAMES]
            if all(look.steady for look in looks):
                return
            self.arrive()
        raise AssertionError("not steady")

    def restore(self, saved: Any) -> None:
        """Be as the world was then."""
        self.world.restore(saved)
        self.templates = {
            one["metadata"]["namespace"]: one["spec"]["template"] for one in self.manager.of("Deployment")
        }

    def arrive(self) -> None:
        """The pods that have been begun are ready."""
        for deployment in self.manager.of("Deployment"):
            deployment["status"] = _counts(deployment, updated=True)

    def on(self, bundle: str) -> set[str]:
        """The clusters whose control plane is to be made from a bundle."""
        found = self.manager.of("Deployment")
        return {one["metadata"]["namespace"].removeprefix("cluster-") for one in found if bundle in str(one["spec"])}

    def starting(self) -> set[str]:
        """Those whose pods are not ready yet."""
        return {
            one["metadata"]["namespace"].removeprefix("cluster-")
            for one in self.manager.of("Deployment")
            if one["status"]["updatedReplicas"] == 0
        }

    def shown(self, name: str) -> Document:
        return cast(Document, self.manager.get("Cluster", "", name)["status"])

    def condition(self, name: str) -> tuple[str, str]:
        (found,) = [one for one in self.shown(name)["conditions"] if one["type"] == "ControlPlaneReady"]
        return found["reason"], found["message"]

    def _wrote(self, written: Document, kubernetes: Callable[[Document], None]) -> None:
        kubernetes(written)
        if written["kind"] == "Deployment":
            had = self.templates.get(written["metadata"]["namespace"])
            self.templates[written["metadata"]["namespace"]] = written["spec"]["template"]
            if self.slow and had not in (None, written["spec"]["template"]):
                written["status"] = _counts(written, updated=False)


def _counts(deployment: Document, *, updated: bool) -> Document:
    """The status of a Deployment: the old pods serve in any case."""
    count = deployment["spec"]["replicas"]
    generation = deployment["metadata"]["generation"]
    counts = {"replicas": count, "readyReplicas": count, "updatedReplicas": count if updated else 0}
    return {"observedGeneration": generation, **counts}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Many:
    made = Many(tmp_path, monkeypatch)
    made.slow = True
    return made


def test_a_new_bundle_reaches_as_many_at_once_as_may_start(many: Many) -> None:
    """The others serve as before and say for what they wait; each that is there lets the next go."""
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "b"}
    assert many.condition("e") == (
        QUEUED,
        "1 of 1 replicas are ready, as before; 4 other control planes start anew before it does",
    )
    assert {many.shown(name)["phase"] for name in "cde"} == {"Updating"}
    many.look_at_all()
    assert many.on(NEW) == {"a", "b"}
    many.arrive()
    many.look_at_all()
    assert many.on(NEW) == {"a", "b", "c", "d"}
    assert many.starting() == {"c", "d"}
    many.settle()
    assert many.on(NEW) == set(NAMES)
    assert {many.shown(name)["phase"] for name in NAMES} == {"Ready"}


def test_who_may_go_on_is_woken(many: Many) -> None:
    """Once another has come up, and no sooner."""
    woken: list[str] = []
    many.start(NEW)
    many.controllers["a"]._starts.wake = woken.append
    many.look_at_all()
    assert woken == []
    many.arrive()
    many.look("b")
    assert woken == ["c"]


def test_another_controller_counts_those_that_were_begun(many: Many) -> None:
    """Nothing of it is only in memory: whichever cluster it looks at first, no third one is begun."""
    many.start(NEW)
    many.look_at_all()
    many.start(NEW)
    for name in reversed(NAMES):
        many.look(name)
    assert many.on(NEW) == {"a", "b"}


def test_what_somebody_asks_of_one_cluster_does_not_wait(many: Many) -> None:
    """Nor behind those that wait already; what waits for its own turn comes with it."""
    many.start(NEW)
    many.look_at_all()
    resource = many.manager.get("Cluster", "", "e")
    resource["spec"]["version"] = NEWER
    resource["metadata"]["generation"] += 1
    many.look("e")
    assert many.on(NEWER) == {"e"}
    assert many.starting() == {"a", "b", "e"}
    many.look("d")
    assert many.condition("d")[1].endswith("4 other control planes start anew before it does")


def test_one_that_does_not_serve_is_mended_at_once(many: Many) -> None:
    """It may be the change that mends it. While it comes up, it counts."""
    many.manager.get("Deployment", hosted.namespace("e"), hosted.CONTROL_PLANE)["status"]["readyReplicas"] = 0
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "e"}


def test_what_is_gone_is_made_at_once(many: Many) -> None:
    """A Deployment, or the Secret that its pods read."""
    del many.manager.held["Deployment", hosted.namespace("d"), hosted.CONTROL_PLANE]
    del many.manager.held["Secret", hosted.namespace("e"), hosted.CONTROL_PLANE]
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "b", "d", "e"}


def test_one_that_is_deleted_while_it_waits_goes_at_once(many: Many) -> None:
    """And those behind it come up a place."""
    many.start(NEW)
    many.look_at_all()
    resource = many.manager.get("Cluster", "", "c")
    resource["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
    many.controllers["c"].delete(resource)
    many.look("e")
    assert many.condition("e")[1].endswith("3 other control planes start anew before it does")


def test_a_controller_killed_anywhere_begins_no_more_than_may(many: Many) -> None:
    """After every call that changes something, and before anything that was begun has come up."""
    begun_with = many.world.saved()
    many.start(NEW)
    many.look_at_all()
    for number, call in enumerate(list(many.life.calls), 1):
        if call.startswith(("get ", "list ")):  # as after the call before it
            continue
        many.restore(begun_with)
        many.start(NEW, ends=number)
        with pytest.raises(Killed):
            many.look_at_all()
        many.start(NEW)
        for name in reversed(NAMES):
            many.look(name)
        assert len(many.starting()) <= AT_ONCE, f"killed after call {number}, {call}"
        many.settle()
        assert many.on(NEW) == set(NAMES)


def _deployment(template: Document) -> Document:
    """A Deployment with its parts that must be there."""
    whole = {"spec": {"containers": []}, **template}
    spec = {"selector": {}, "replicas": 1, "template": whole}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "control-plane"}, "spec": spec}


WANTED = turns.marked(_deployment({"metadata": {"annotations": {"moorage.dev/config": "new"}}}), 2)


@pytest.mark.parametrize(
    ("generation", "annotations", "ready", "waits"),
    [
        (2, {"moorage.dev/config": "new"}, 1, False),  # nothing is to change
        (2, {"moorage.dev/config": "old"}, 1, True),
        (1, {"moorage.dev/config": "old"}, 1, False),  # its resource was changed
        (2, {"moorage.dev/config": "old"}, 0, False),  # it does not serve
        (2, {"moorage.dev/config": "old", "moorage.dev/moved": "2026"}, 1, False),  # its host is to be empty
    ],
)
def test_what_waits(generation: int, annotations: dict[str, str], ready: int, waits: bool) -> None:
    """Only what is changed for all, of one that serves where it may stay."""
    had = turns.marked(_deployment({"metadata": {"annotations": annotations}}), generation)
    before = codecs.from_dict({**had, "status": {"readyReplicas": ready}})
    assert turns.may_wait(before, WANTED) is waits


def test_one_that_says_nothing_of_itself_waits() -> None:
    """It is of an earlier release."""
    before = codecs.from_dict({**_deployment({}), "status": {"readyReplicas": 1}})
    assert turns.may_wait(before, WANTED)
    assert not turns.may_wait(None, WANTED)

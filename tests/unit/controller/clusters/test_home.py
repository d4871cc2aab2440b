"""A move to another datastore, on stores that are dictionaries: whenever the controller is killed, no write is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from installer.controller.clusters.home import Home, is_moving
from installer.controller.datastores.copy import Progress
from installer.controller.datastores.etcdctl import EtcdError
from installer.controller.datastores.one_pass import DatastoreNotReadyError
from installer.controller.datastores.whereabouts import Whereabouts
from installer.controller.status import Condition, Happened
from installer.core.errors import KubernetesError
from tests.unit.kubernetes import fixed


class KilledError(BaseException):
    """The controller ends here."""


@dataclass
class World:
    """The manager, two datastores, and a cluster that writes whenever it can. Each effect counts, so that one kills."""

    status: dict[str, Any] = field(default_factory=dict)
    stores: dict[str, dict[int, str]] = field(default_factory=lambda: {"shared": {}, "large": {}})
    ready: set[str] = field(default_factory=lambda: {"shared", "large"})
    admitted: set[str] = field(default_factory=set)
    runs: bool = True
    written: int = 0
    effects: int = 0
    fails: Callable[[int], BaseException | None] = lambda effect: None

    def effect(self) -> None:
        self.write()
        self.effects += 1
        if (raised := self.fails(self.effects)) is not None:
            raise raised

    # --- the cluster ------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """As its API servers do wherever they are let in: one on a host that is cut off hears of no end of its pod."""
        for name in self.admitted:
            self.stores[name][self.written] = "x"
            self.written += 1

    # --- the manager's API ------------------------------------------------------------------------------------------

    def get(self, kind: type, name: str) -> Any:
        return SimpleNamespace(to_dict=lambda: {"status": dict(self.status)})

    def patch_status(self, kind: type, name: str, change: dict[str, Any]) -> None:
        self.effect()
        self.status |= change
        self.effect()  # it is written, and nobody heard of it

    # --- datastores -------------------------------------------------------------------------------------------------

    def condition(self, name: str) -> Condition:
        return Condition("DatastoreReady", True, "Ready", f"datastore {name}")

    def provide(self, cluster: Any) -> None:
        self.effect()

    def lock(self, cluster: str, name: str) -> None:
        self.effect()
        assert not self.runs, "its API would answer without its data"
        self.admitted.discard(name)
        self.effect()

    def copy(self, cluster: str, *, source: str, destination: str) -> Copy:
        self.effect()
        if destination not in self.ready:
            raise DatastoreNotReadyError(f"datastore {destination} is being looked at")
        return Copy(self, source, destination)

    def release(self, cluster: str, name: str) -> bool:
        self.effect()
        assert name != self.status["datastore"]["name"], "the only copy"
        self.admitted.discard(name)
        self.stores[name].clear()
        self.effect()
        return True


class Controller:
    """A process of the controller: what it remembers is gone when it is killed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.home = Home("team-a", world, world)  # type: ignore[arg-type]
        self._let_in = ""

    def ensure(self, at: str) -> None:
        """As the control plane's own part of a pass does: it asks for what it has asked for no second time."""
        if self._let_in != at:
            self.world.admitted.add(at)
            self._let_in = at
        self.world.runs = True

    def halt(self) -> None:
        """As the control plane does."""
        self.world.effect()
        self._let_in, self.world.runs = "", False

    def one_pass(self, wanted: str) -> tuple[Condition, list[Happened]]:
        """Until its end, while the cluster writes."""
        cluster = fixed.cluster(datastore=wanted)
        self.ensure(self.home.where(cluster).at)
        told = self.home.tend(cluster, self, serves=True)
        self.world.write()
        return told

    def settle(self, wanted: str) -> list[str]:
        """Passes until nothing is under way; what they told."""
        told = list[str]()
        for _ in range(20):
            condition, happened = self.one_pass(wanted)
            told += [one.reason for one in happened]
            if condition.ok:
                return told
        raise AssertionError(f"still moving: {condition}")


class Copy:
    """Copies all at once, and what came since at the end."""

    def __init__(self, world: World, source: str, destination: str) -> None:
        self.world, self.source, self.destination = world, source, destination
        world.stores[destination] = dict(world.stores[source])
        self.stopped = self.ended = False

    def progress(self) -> Progress:
        if self.ended:
            raise EtcdError("it has ended")
        return Progress("following", keys=len(self.world.stores[self.destination]))

    def finish(self, *, timeout_s: float) -> Progress:
        self.ended = True
        self.world.effect()
        assert self.source not in self.world.admitted, "it still writes"
        self.world.stores[self.destination] = dict(self.world.stores[self.source])
        return Progress("done", keys=len(self.world.stores[self.destination]))

    def stop(self) -> None:
        self.stopped = True


def _is_whole(world: World, at: str) -> None:
    assert world.status["datastore"] == {"name": at, "also": ""}
    assert sorted(world.stores[at]) == list(range(world.written))
    assert all(not keys for name, keys in world.stores.items() if name != at)
    assert world.admitted == {at}


def test_a_move_is_announced_and_loses_nothing() -> None:
    """And a cluster that stays does nothing."""
    world = World()
    controller = Controller(world)
    assert controller.settle("shared") == []
    told = controller.settle("large")
    assert told == ["DatastoreMoving", "DatastoreSwitching", "DatastoreMoved", "DatastoreLeft"]
    _is_whole(world, "large")
    before = world.effects
    assert controller.settle("large") == []
    assert world.effects == before


@pytest.mark.parametrize("raised", [KilledError, lambda: EtcdError("no answer"), lambda: KubernetesError("no answer")])
@pytest.mark.parametrize("wanted", ["large", "shared"])
def test_a_move_that_is_cut_short_anywhere_loses_nothing(raised: Callable[[], BaseException], wanted: str) -> None:
    """Killed, or without an answer: what follows goes on to the end, or back where the user has changed their mind."""
    count, ended = 0, False
    while not ended:
        count += 1
        world = World()
        Controller(world).settle("shared")
        at = world.effects + count
        world.fails = lambda effect, at=at: raised() if effect == at else None  # type: ignore[misc]
        controller = Controller(world)
        try:
            controller.settle("large")
            ended = world.effects < at
        except (KilledError, KubernetesError) as exc:
            if isinstance(exc, KilledError):
                controller = Controller(world)
        world.fails = lambda effect: None
        controller.settle(wanted)
        _is_whole(world, wanted)
    assert count > 10


def test_it_waits_for_a_datastore_that_does_not_serve_yet() -> None:
    """And serves meanwhile."""
    world = World(ready={"shared"})
    controller = Controller(world)
    controller.settle("shared")
    for _ in range(5):
        condition, _ = controller.one_pass("large")
    assert is_moving(condition)
    assert "waits for its move from datastore shared to large" in condition.message
    assert world.runs
    world.ready.add("large")
    controller.settle("large")
    _is_whole(world, "large")


def test_a_move_that_fails_says_why_and_is_tried_again() -> None:
    """By name of the datastores."""
    world = World()
    controller = Controller(world)
    controller.settle("shared")
    at = world.effects
    world.fails = lambda effect: EtcdError("the copy failed") if effect == at + 4 else None
    reasons = []
    while not (found := controller.one_pass("large"))[0].ok:
        reasons.append((found[0].reason, "stays in datastore shared until it can move to large" in found[0].message))
    assert ("MoveFailed", True) in reasons
    _is_whole(world, "large")


def test_a_cluster_that_is_deleted_meanwhile_is_taken_out_of_both() -> None:
    """And nobody copies any more."""
    world = World()
    controller = Controller(world)
    controller.settle("shared")
    for _ in range(2):
        controller.one_pass("large")
    copy = controller.home._copy
    assert isinstance(copy, Copy)
    assert controller.home.everywhere({"datastore": "large"}) == ("shared", "large")
    assert copy.stopped
    assert Controller(World()).home.everywhere({"datastore": "dedicated"}) == ("cluster-team-a",)
    assert world.status["datastore"] == Whereabouts("shared", also="large").entry()

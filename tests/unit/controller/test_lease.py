"""One controller at a time, whatever happens to the one that works."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

from lightkube import ApiError, Client
from lightkube.models.meta_v1 import Status

from installer.controller.lease import DURATION_S, GIVES_UP_S, RENEWS_S, Lease


class World:
    """An API with one Lease, and time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.held: Any = None
        self.away = False
        self.writes = 0
        self.on_sleep: Callable[[], None] = lambda: None

    def lease(self, identity: str) -> Lease:
        return Lease(
            cast(Client, self), "controller", "moorage-system", identity, now=lambda: self.now, sleep=self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    @property
    def holder(self) -> str:
        return str(self.held.spec.holderIdentity)

    # --- what lightkube's client does -------------------------------------------------------------------------------

    def get(self, *_: Any, **__: Any) -> Any:
        self._answer()
        if self.held is None:
            raise ApiError(status=Status(code=404, message="not found", reason="NotFound"))
        return copy.deepcopy(self.held)

    def create(self, made: Any) -> None:
        self._answer()
        if self.held is not None:
            raise ApiError(status=Status(code=409, message="it is there", reason="AlreadyExists"))
        self._keep(made)

    def replace(self, made: Any) -> None:
        self._answer()
        if made.metadata.resourceVersion != self.held.metadata.resourceVersion:
            raise ApiError(status=Status(code=409, message="changed meanwhile", reason="Conflict"))
        self._keep(made)

    def _keep(self, made: Any) -> None:
        self.writes += 1
        self.held = copy.deepcopy(made)
        self.held.metadata.resourceVersion = str(self.writes)

    def _answer(self) -> None:
        if self.away:
            raise ApiError(status=Status(code=503, message="no server answers", reason="ServiceUnavailable"))


def test_the_first_one_works_at_once() -> None:
    """There is no lease yet."""
    world = World()
    world.lease("one").acquire()
    assert (world.holder, world.now) == ("one", 0.0)


def test_one_that_was_released_is_taken_at_once() -> None:
    """As when the Deployment replaces its pod."""
    world = World()
    first = world.lease("one")
    first.acquire()
    first.release()
    world.lease("two").acquire()
    assert (world.holder, world.now) == ("two", 0.0)


def test_a_second_one_waits_while_the_first_works() -> None:
    """However long."""
    world = World()
    first, second = world.lease("one"), world.lease("two")
    first.acquire()

    def works() -> None:
        assert first._try() == "one"
        if world.now > 10 * DURATION_S:
            raise TimeoutError

    world.on_sleep = works
    try:
        second.acquire()
    except TimeoutError:
        assert world.holder == "one"
    else:
        raise AssertionError("two work at a time")


def test_a_lease_of_one_that_is_gone_is_taken_over() -> None:
    """After it has been silent for its duration, and not sooner."""
    world = World()
    world.lease("one").acquire()
    world.lease("two").acquire()
    assert world.holder == "two"
    assert DURATION_S < world.now <= DURATION_S + 2 * RENEWS_S


def test_one_that_cannot_renew_ends_before_another_begins() -> None:
    """Though no request of its comes back."""
    world = World()
    first = world.lease("one")
    first.acquire()
    ended: list[float] = []
    first.watch(lambda: ended.append(world.now))
    assert len(ended) == 1
    assert GIVES_UP_S < ended[0] < DURATION_S


def test_one_whose_api_is_away_for_a_moment_goes_on() -> None:
    """Nothing is lost then."""
    world = World()
    first = world.lease("one")
    first.acquire()
    lost: list[float] = []
    tries = iter(range(1000))

    def passes() -> None:
        world.away = 4 < world.now < 4 + GIVES_UP_S - RENEWS_S
        if next(tries) % 4 == 0:  # the watch looks four times as often
            _renew_once(first)
        if world.now > 60:
            first.release()

    world.on_sleep = passes
    first.watch(lambda: lost.append(world.now))
    assert lost == []
    assert world.writes > 20


def _renew_once(lease: Lease) -> None:
    sleep, lease._sleep = lease._sleep, lambda _: lease._over.set()
    try:
        lease.renew()
    finally:
        lease._sleep = sleep
        lease._over.clear()


def test_of_two_that_want_it_at_once_one_gets_it() -> None:
    """The other one's write is refused: it is of an older version."""
    world = World()
    world.lease("gone").acquire()
    world.now = 100.0
    one, two = world.lease("one"), world.lease("two")
    read = world.get()
    assert one._try() == "gone"
    assert two._try() == "gone"
    world.now += DURATION_S + 1
    assert one._try() == "one"
    assert not two._write(read)
    assert two._try() == "one"

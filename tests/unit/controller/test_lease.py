"""One controller at a time, whatever happens to the one that works."""

from __future__ import annotations

from typing import cast

from lightkube import Client

from installer.controller.lease import DURATION_S, GIVES_UP_S, RENEWS_S, Lease
from tests.fakes.lease import LeaseApi


class World(LeaseApi):
    """What controllers share."""

    def lease(self, identity: str) -> Lease:
        return Lease(cast(Client, self), "controller", "moorage-system", identity, now=self.now, sleep=self.sleep)


def test_the_first_one_works_at_once() -> None:
    """There is no lease yet."""
    world = World()
    world.lease("one").acquire()
    assert (world.holder, world.time) == ("one", 0.0)


def test_one_that_was_released_is_taken_at_once() -> None:
    """As when the Deployment replaces its pod."""
    world = World()
    first = world.lease("one")
    first.acquire()
    first.release()
    world.lease("two").acquire()
    assert (world.holder, world.time) == ("two", 0.0)


def test_a_second_one_waits_while_the_first_works() -> None:
    """However long."""
    world = World()
    first, second = world.lease("one"), world.lease("two")
    first.acquire()

    def works() -> None:
        assert first._try() == "one"
        if world.time > 10 * DURATION_S:
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
    assert DURATION_S < world.time <= DURATION_S + 2 * RENEWS_S


def test_one_that_cannot_renew_ends_before_another_begins() -> None:
    """Though no request of its comes back."""
    world = World()
    first = world.lease("one")
    first.acquire()
    ended: list[float] = []
    first.watch(lambda: ended.append(world.time))
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
        world.away = 4 < world.time < 4 + GIVES_UP_S - RENEWS_S
        if next(tries) % 4 == 0:  # the watch looks four times as often
            _renew_once(first)
        if world.time > 60:
            first.release()

    world.on_sleep = passes
    first.watch(lambda: lost.append(world.time))
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
    world.time = 100.0
    one, two = world.lease("one"), world.lease("two")
    before = world.get()
    assert one._try() == "gone"
    assert two._try() == "gone"
    world.time += DURATION_S + 1
    assert one._try() == "one"
    world.read = before
    assert two._try() == ""
    world.read = None
    assert two._try() == "one"

"""How many clusters start at a time."""

from __future__ import annotations

from typing import cast

import pytest
from lightkube import Client

from installer.controller.clusters.starts import Starts, by_cpu
from installer.controller.manager_api import Api
from tests.fakes.kubernetes import FakeApi, Life


class Hosts:
    """Time, and how many may start."""

    def __init__(self, at_once: int) -> None:
        self.now, self.at_once = 0.0, at_once

    def starts(self) -> Starts:
        return Starts(lambda: self.at_once, now=lambda: self.now)


def test_as_many_start_as_may_in_the_order_in_which_they_came() -> None:
    """The others are told how many come before them."""
    starts = Hosts(2).starts()
    assert [starts.enter(name) for name in "abcd"] == [0, 0, 2, 3]
    assert [starts.enter(name) for name in "abcd"] == [0, 0, 2, 3]
    starts.leave("b")
    assert [starts.enter(name) for name in "dca"] == [2, 0, 0]
    starts.leave("a")
    assert starts.enter("d") == 0


def test_one_that_is_deleted_while_it_waits_holds_up_nobody() -> None:
    """Nor does one that is deleted while it starts."""
    starts = Hosts(1).starts()
    assert [starts.enter(name) for name in "abc"] == [0, 1, 2]
    starts.leave("b")
    starts.leave("a")
    assert starts.enter("c") == 0


def test_one_that_goes_ahead_is_not_counted_twice() -> None:
    """It starts, and waits no longer."""
    starts = Hosts(1).starts()
    assert [starts.enter(name) for name in "abc"] == [0, 1, 2]
    starts.go_ahead("b")
    assert starts.enter("c") == 2


def test_one_that_does_not_come_up_holds_up_others_for_a_while_only() -> None:
    """It goes on trying."""
    hosts = Hosts(1)
    starts = hosts.starts()
    assert [starts.enter(name) for name in "ab"] == [0, 1]
    hosts.now = 91.0
    assert starts.enter("b") == 0
    assert starts.enter("a") == 0
    assert starts.enter("c") == 1


def test_more_hosts_let_more_start() -> None:
    """The number is asked each time."""
    hosts = Hosts(1)
    starts = hosts.starts()
    assert [starts.enter(name) for name in "abc"] == [0, 1, 2]
    hosts.at_once = 3
    assert [starts.enter(name) for name in "bc"] == [0, 0]


def test_new_clusters_come_before_those_that_are_replaced() -> None:
    """Whoever makes one waits for no change of all the others; of each kind, who came first."""
    starts = Hosts(1).starts()
    assert starts.enter("a", replaced=True) == 0
    assert [starts.enter(name, replaced=True) for name in "bc"] == [1, 2]
    assert [starts.enter(name) for name in "xy"] == [1, 2]
    assert [starts.enter(name, replaced=True) for name in "bc"] == [3, 4]
    starts.leave("a")
    assert starts.enter("b", replaced=True) == 2
    assert starts.enter("x") == 0


def test_one_that_goes_ahead_counts() -> None:
    """Nobody is asked, and others wait for it."""
    starts = Hosts(1).starts()
    assert starts.enter("a") == 0
    starts.go_ahead("b")
    assert [starts.enter(name) for name in "bc"] == [0, 2]
    starts.leave("a")
    assert starts.enter("c") == 1


def test_one_that_does_not_ask_again_loses_its_place() -> None:
    """It cannot be looked at, and must not hold up others for ever."""
    hosts = Hosts(1)
    starts = hosts.starts()
    assert [starts.enter(name) for name in "abc"] == [0, 1, 2]
    hosts.now = 60.0
    assert starts.enter("c") == 2
    hosts.now = 100.0
    assert starts.enter("c") == 0


def test_the_next_are_woken_when_one_leaves() -> None:
    """As many as are free, and nobody when one leaves that was never there."""
    woken: list[str] = []
    starts = Hosts(1).starts()
    starts.wake = woken.append
    assert [starts.enter(name) for name in "abc"] == [0, 1, 2]
    starts.leave("x")
    assert woken == []
    starts.leave("a")
    assert woken == ["b"]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([], 2),
        ([("2", "True"), ("2", "True")], 2),
        ([("8", "True"), ("7500m", "True")], 7),
        ([("64", "True"), ("64", "False")], 32),
    ],
)
def test_the_cpu_of_hosts_decides(hosts: list[tuple[str, str]], expected: int) -> None:
    """Two cores a cluster, of hosts that are there; two clusters at least."""
    manager = FakeApi()
    for number, (cpu, ready) in enumerate(hosts):
        status = {"capacity": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": ready}]}
        manager.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"host-{number}"}, "status": status})
    life = Life()
    at_once = by_cpu(Api(cast(Client, manager.client(life))), now=lambda: 0.0)
    assert [at_once(), at_once()] == [expected, expected]
    assert len(life.calls) == 1

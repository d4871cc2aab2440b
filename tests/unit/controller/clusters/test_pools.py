"""What is done about node pods."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count as count_from
from itertools import product
from typing import Any

import pytest

from installer.controller.clusters.pools import Action, Create, Delete, SeenPod, WantedPool, decide, missing, staying


def pod(name: str, *, pool: str = "general", shape: str = "now", ready: bool = True, **more: Any) -> SeenPod:
    """A pod; names sort as ages do."""
    return SeenPod(name=name, pool=pool, shape=shape, created=f"2026-01-01T00:00:0{name[-1]}Z", ready=ready, **more)


def summary(actions: list[Action]) -> list[str]:
    """`+pool` for each creation, `-pod` for each deletion."""
    return [f"+{action.pool}" if isinstance(action, Create) else f"-{action.pod}" for action in actions]


CASES: dict[str, tuple[int, list[SeenPod], list[str]]] = {
    "nothing yet": (2, [], ["+general", "+general"]),
    "all there": (2, [pod("a1"), pod("a2")], []),
    "one is missing": (3, [pod("a1"), pod("a2", ready=False)], ["+general"]),
    "one is leaving": (2, [pod("a1"), pod("a2", leaving=True)], ["+general"]),
    "one has ended": (2, [pod("a1"), pod("a2", ended=True)], ["-a2", "+general"]),
    "ended and leaving": (1, [pod("a1"), pod("a2", ended=True, leaving=True)], []),
    "fewer are wanted: the newest goes": (1, [pod("a1"), pod("a2")], ["-a2"]),
    "fewer are wanted: one that is not ready goes first": (1, [pod("a1", ready=False), pod("a2")], ["-a1"]),
    "none is wanted": (0, [pod("a1"), pod("a2")], ["-a2", "-a1"]),
    "made differently: a successor first": (2, [pod("a1", shape="old"), pod("a2", shape="old")], ["+general"]),
    "made differently and not ready: it is no loss": (
        2,
        [pod("a1", shape="old", ready=False), pod("a2", shape="old")],
        ["-a1"],
    ),
    "the successor is not ready yet": (1, [pod("a1", shape="old"), pod("a2", ready=False)], []),
    "the successor is ready": (1, [pod("a1", shape="old"), pod("a2")], ["-a1"]),
    "replaced one by one": (2, [pod("a1", shape="old"), pod("a2", shape="old"), pod("a3")], ["-a1"]),
    "one that is drained is chosen again": (1, [pod("a1", draining_since="x"), pod("a2")], ["-a1"]),
    "drained, though another is not ready now": (
        2,
        [pod("a1", draining_since="x"), pod("a2", ready=False), pod("a3")],
        ["-a1"],
    ),
    "drained, and wanted again": (2, [pod("a1", draining_since="x"), pod("a2")], []),
    "a predecessor that is drained, though its successor fails": (
        1,
        [pod("a1", shape="old", draining_since="x"), pod("a2", ready=False)],
        ["-a1"],
    ),
    "its host is to be empty: a successor first": (2, [pod("a1", displaced=True), pod("a2")], ["+general"]),
    "its host is to be empty, and the successor is ready": (1, [pod("a1", displaced=True), pod("a2")], ["-a1"]),
    "its host is to be empty, and the successor is not ready": (
        1,
        [pod("a1", displaced=True), pod("a2", ready=False)],
        [],
    ),
    "drained for its host, which is open again": (1, [pod("a1", draining_since="x")], []),
    "half replaced": (2, [pod("a2", shape="old"), pod("a3")], ["+general"]),
    "half replaced, and the new one is not ready": (2, [pod("a2", shape="old"), pod("a3", ready=False)], []),
}


@pytest.mark.parametrize(("count", "seen", "wanted"), CASES.values(), ids=CASES)
def test_actions(count: int, seen: list[SeenPod], wanted: list[str]) -> None:
    """The next actions for one pool."""
    assert summary(decide([WantedPool(name="general", count=count, shape="now")], seen)) == wanted


@pytest.mark.parametrize(
    ("count", "seen", "made"),
    [
        (2, [], 2),
        (2, [pod("a1", shape="old", ready=False)], 1),
        (2, [pod("a1", leaving=True), pod("a2", ended=True)], 2),
        (1, [pod("a1", shape="old"), pod("a2")], 0),
    ],
)
def test_missing_nodes_are_made_whatever_is_known_of_the_others(count: int, seen: list[SeenPod], made: int) -> None:
    """Readiness is not asked: the cluster's API may not be there yet."""
    assert missing([WantedPool(name="general", count=count, shape="now")], seen) == [Create("general")] * made


def test_nodes_of_a_pool_that_is_gone_go() -> None:
    """With the reason in words."""
    (action,) = decide([], [pod("a1", pool="other")])
    assert action == Delete("a1", "there is no pool other any more")


@pytest.mark.parametrize(
    ("count", "seen", "wanted"),
    [
        (1, [pod("a1", shape="old")], []),
        (1, [pod("a1", shape="old"), pod("a2")], []),
        (1, [pod("a1"), pod("a2")], ["-a2"]),
    ],
)
def test_replacing_may_wait(count: int, seen: list[SeenPod], wanted: list[str]) -> None:
    """Until the control plane is as new as the nodes will be; another count is followed at once."""
    assert summary(decide([WantedPool(name="general", count=count, shape="now")], seen, replacing=False)) == wanted


PACES: dict[str, tuple[int, int, list[SeenPod], list[str]]] = {
    "two successors at once": (2, 0, [pod("a1", shape="old"), pod("a2", shape="old")], ["+general", "+general"]),
    "each that is ready lets one go": (
        2,
        0,
        [pod("a1", shape="old"), pod("a2", shape="old"), pod("a3"), pod("a4", ready=False)],
        ["-a1"],
    ),
    "no room for another before one is gone": (
        2,
        0,
        [pod("a1", shape="old", draining_since="x"), pod("a2", shape="old"), pod("a3"), pod("a4", ready=False)],
        ["-a1"],
    ),
    "no successor before one goes": (0, 1, [pod("a1", shape="old"), pod("a2", shape="old")], ["-a1"]),
    "one that is drained counts as gone": (
        0,
        1,
        [pod("a1", shape="old", draining_since="x"), pod("a2", shape="old")],
        ["-a1"],
    ),
    "its successor takes its place": (0, 1, [pod("a2", shape="old")], ["+general"]),
    "and is ready before the next goes": (0, 1, [pod("a2", shape="old"), pod("a3", ready=False)], []),
    "both": (1, 1, [pod("a1", shape="old"), pod("a2", shape="old")], ["-a1", "+general"]),
    "all at once": (0, 2, [pod("a1", shape="old"), pod("a2", shape="old")], ["-a1", "-a2"]),
    "successors that fail are not followed by others": (
        2,
        0,
        [pod("a1", shape="old"), pod("a3", ready=False), pod("a4", ready=False)],
        [],
    ),
}


@pytest.mark.parametrize(("surge", "unavailable", "seen", "wanted"), PACES.values(), ids=PACES)
def test_how_many_are_replaced_at_a_time(surge: int, unavailable: int, seen: list[SeenPod], wanted: list[str]) -> None:
    """A pool of two says how many more, and how many fewer, there may be meanwhile."""
    pool = WantedPool(name="general", count=2, shape="now", surge=surge, unavailable=unavailable)
    assert summary(decide([pool], seen)) == wanted


@pytest.mark.parametrize(("surge", "unavailable"), [pair for pair in product(range(4), repeat=2) if any(pair)])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_no_pool_leaves_its_bounds(surge: int, unavailable: int, count: int, seed: int) -> None:
    """Nodes take as long as they like to start and to go: it ends, and never are there more, or fewer, than may be."""
    chance, number = random.Random(seed), count_from()  # noqa: S311 - a test that can be repeated
    pool = WantedPool(name="general", count=count, shape="now", surge=surge, unavailable=unavailable)
    pods = {f"a{n}": pod(f"a{n}", shape="old") for n in range(count)}
    for _ in range(40 * count):
        for action in decide([pool], list(pods.values())):
            if isinstance(action, Create):
                name = f"b{next(number)}"
                pods[name] = pod(name, ready=False)
            else:
                pods[action.pod] = replace(pods[action.pod], draining_since="x")
        pods = {
            name: replace(one, ready=one.ready or chance.random() < 0.5)
            for name, one in pods.items()
            if not (one.draining_since and chance.random() < 0.5)
        }
        assert len(pods) <= count + surge
        assert sum(one.ready and not one.draining_since for one in pods.values()) >= count - unavailable
    assert [one.shape for one in pods.values()] == ["now"] * count


@pytest.mark.parametrize("start", [("old", 3), ("old", 1)])
def test_a_pool_made_differently_is_replaced_without_ever_lacking_a_node(start: tuple[str, int]) -> None:
    """Carried out step by step, it ends with new nodes alone, and at no time fewer were ready than wanted."""
    shape, count = start
    pods = [pod(f"a{number}", shape=shape) for number in range(count)]
    wanted = [WantedPool(name="general", count=count, shape="now")]
    made = count
    for _ in range(4 * count):
        for action in decide(wanted, pods):
            match action:
                case Create():
                    pods.append(pod(f"b{made}"))
                    made += 1
                case Delete(name):
                    pods = [one for one in pods if one.name != name]
        assert sum(one.ready for one in pods) >= count
    assert [one.shape for one in pods] == ["now"] * count
    assert decide(wanted, pods) == []


def test_which_nodes_stay() -> None:
    """Those that nothing replaces or takes away: a new node need not go where one of them is."""
    seen = [
        pod("a1"),
        pod("a2", shape="old"),
        pod("a3", leaving=True),
        pod("a4", draining_since="2026-01-01T00:00:00Z"),
        pod("a5", ended=True),
        pod("a6", pool="gone"),
        pod("a7", ready=False),
    ]
    assert staying([WantedPool(name="general", count=2, shape="now")], seen) == {"a1", "a7"}

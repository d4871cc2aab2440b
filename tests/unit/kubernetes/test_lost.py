"""Hosts that are not heard of, in tables: one that is lost, a region that is cut off, and one that returns."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lightkube import codecs

from installer.kubernetes import lost
from installer.kubernetes.lost import NEIGHBOURS_S, RETURNING_S, SINGLE_S, TOGETHER_S, HostSeen

_GRACES = {"a": 600.0, "b": 1800.0}
_NOW = 100_000.0


def _given_up(hosts: list[HostSeen]) -> set[str]:
    return {name for name, left_s in lost.patience(hosts, _GRACES, now=_NOW).items() if not left_s}


def _hosts(text: str) -> list[HostSeen]:
    """`a1 b1:20 b2+5`: a1 has long been ready, b1 is not for 20 s, b2 has come back 5 s ago; the letter: its region."""
    found = []
    for word in text.split():
        name, _, ago = word.replace("+", ":").partition(":")
        since = _NOW - float(ago or 90_000)
        found.append(HostSeen(name=name, region=name[0], ready=":" not in word, since=since))
    return found


@pytest.mark.parametrize(
    ("seen", "regions"),
    [
        ("a1 a2 b1 b2", []),
        ("a1 b1:20", ["b"]),  # all of its one host
        ("a1 a2 b1:20 b2:15", ["b"]),
        ("a1 a2 b1:20 b2:15 b3", ["b"]),  # most of them
        ("a1 a2 b1:20 b2", []),  # half of them
        ("a1 a2 b1:20 b2 b3", []),
        (f"a1 b1:{2 * TOGETHER_S + 5} b2:4", ["b"]),  # b1 fell by itself; then the rest of the region did
        ("a1 b1:80000 b2 b3", []),  # away for a day
        ("a1 b1:80000 b2:20 b3:20", ["b"]),
        ("a1 a2:20 b1:20 b2:20", ["b"]),  # half of a, all of b
        ("a1:20 b1:20", []),  # nobody is there to judge
        ("a1:20 a2:20 a3", []),  # the only region: it is not cut off from itself
        ("a1 b1+5 b2:300", []),
        ("a1 b1+5 b2:300 b3:300", ["b"]),  # it comes back
    ],
)
def test_a_region_is_cut_off_when_most_of_it_fell_silent_together(seen: str, regions: list[str]) -> None:
    """As others see it, and whoever was away before says nothing."""
    assert list(lost.cut_off(_hosts(seen))) == regions


def test_what_is_told_of_a_region_that_is_cut_off() -> None:
    """Which hosts fell with it, and since when; not the one that was away before."""
    [found] = lost.cut_off(_hosts("a1 b3:21 b2:20 b1:80000")).values()
    assert found.hosts == ("b2", "b3")
    assert found.since == _NOW - 21


@pytest.mark.parametrize(
    ("seen", "given_up"),
    [
        ("a1 a2 b1 b2", ""),
        # A single host: at once, but not before it is known whether its neighbours follow.
        (f"a1 a2 b1:{NEIGHBOURS_S} b2", "b1"),
        (f"a1 a2 b1:{NEIGHBOURS_S - 1} b2", ""),
        ("a1 a2:20 a3 b1", "a2"),
        # Where there is one region, as soon as ever, however many it is.
        (f"a1 a2:{SINGLE_S}", "a2"),
        (f"a1 a2:{SINGLE_S - 1}", ""),
        ("a1 a2:20 a3:20 a4:20", "a2 a3 a4"),
        # A region: after its grace, each its own.
        ("a1 a2 b1:20 b2:25", ""),
        ("a1 a2 b1:1799 b2:1799", ""),
        ("a1 a2 b1:1800 b2:1805", "b1 b2"),
        ("b1 a1:599", ""),
        ("b1 a1:601", "a1"),
        # One that was lost before stays so while its region is cut off, too.
        ("a1 b1:80000 b2:20 b3:20", "b1"),
        # They come back one by one; what does not follow is lost by itself.
        ("a1 b1+5 b2:300 b3:300", ""),
        ("a1 b1+5 b2+1 b3:300", ""),
        (f"a1 b1+{RETURNING_S} b2+{RETURNING_S} b3:300", "b3"),
        ("a1 b1+5 b2+1 b3:1900", "b3"),
        ("a1 a2+5 a3:300", "a3"),  # the only region
        # A host of a region of which nothing is said waits for nothing.
        ("a1 c1:20", "c1"),
        # Nobody is there to take a place.
        ("a1:20 a2:20", ""),
        ("a1:9000 b1:9000", ""),
    ],
)
def test_hosts_are_given_up_one_by_one_or_after_the_grace_of_their_region(seen: str, given_up: str) -> None:
    """Nothing is made anew in panic."""
    assert _given_up(_hosts(seen)) == set(given_up.split())


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        ("a1 a2:2", {"a2": SINGLE_S - 2}),
        ("a1 a2:2 a3 b1", {"a2": NEIGHBOURS_S - 2}),
        ("a1 b1:20", {"b1": 1780.0}),
        ("a1 b1+15 b2:300 b3+20", {"b2": RETURNING_S - 15}),
        ("a1 b1+15 b2:1790 b3+20", {"b2": 10.0}),
        ("a1 b1:2000", {"b1": 0.0}),
        ("a1:20 b1:20", {}),
    ],
)
def test_for_how_long_a_host_is_waited_for(seen: str, left: dict[str, float]) -> None:
    """So that somebody looks again just then."""
    assert lost.patience(_hosts(seen), _GRACES, now=_NOW) == left


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_decided_does_not_depend_on_the_order(order: int) -> None:
    """In which hosts are listed."""
    hosts = _hosts("a1 a2:20 a3 b1:20 b2:25 b3:80000")[::order]
    assert _given_up(hosts) == {"a2", "b3"}
    assert lost.cut_off(hosts)["b"].hosts == ("b1", "b2")


@pytest.mark.parametrize(
    ("status", "ready", "since"),
    [
        ({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-05-04T03:02:01Z"}]}, True, 1),
        ({"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-05-04T03:02:01Z"}]}, 0, 1),
        ({"conditions": [{"type": "MemoryPressure", "status": "True"}]}, False, 0),  # it has not said anything yet
        ({}, False, 0),
    ],
)
def test_what_a_node_says(status: dict[str, object], ready: bool, since: int) -> None:
    """Since when, in the manager's own time."""
    meta = {"name": "w", "labels": {lost.REGION: "b"}}
    node = codecs.from_dict({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status})
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC).timestamp() if since else 0.0
    assert lost.of_nodes([node]) == [HostSeen(name="w", region="b", ready=bool(ready), since=when)]

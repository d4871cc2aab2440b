"""What is told of regions: one sentence of one that is cut off, not one of each of its hosts."""

from __future__ import annotations

import pytest

from installer.kubernetes.lost import CutOff
from installer.workflows import regions
from installer.workflows.hosts import HostInfo

_FELL = 1777863721.0  # 2026-05-04T03:02:01Z


def _hosts(text: str) -> list[HostInfo]:
    """`a1 b1!`: a1 is reached from here, b1 is not; the letter is the region."""
    return [
        HostInfo(
            name=word.rstrip("!"), role="worker", region=word[0], zone="a", address="192.0.2.1", os="", arch="amd64",
            release="", problem="no answer" if word.endswith("!") else "",
        )
        for word in text.split()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hosts", "cut", "problem", "silent"),
    [
        ("a1 b1 b2", (), "", ()),
        ("a1 b1! b2", (), "", ()),  # a single host is told by its own name
        ("a1 b1! b2!", (), "2 hosts, none of which is reached from here", ("b1", "b2")),
        ("a1! b1! b2!", (), "", ()),  # nobody is reached: that is not about a region
        (
            "a1 b1! b2!",
            ("b1", "b2"),
            "cut off since 2026-05-04T03:02:01Z (2 hosts); what is there is waited for until 2026-05-04T03:32:01Z",
            ("b1", "b2"),
        ),
        (  # one was away before: it is told by its name, unless the whole region is not reached
            "a1 b1 b2 b3!",
            ("b1", "b2"),
            "cut off since 2026-05-04T03:02:01Z (2 hosts); what is there is waited for until 2026-05-04T03:32:01Z",
            ("b1", "b2"),
        ),
        (
            "a1 b1! b2!",
            ("b1",),
            "cut off since 2026-05-04T03:02:01Z (1 host); what is there is waited for until 2026-05-04T03:32:01Z",
            ("b1", "b2"),
        ),
    ],
)
def test_a_region_is_told_of_as_a_whole(
    hosts: str, cut: tuple[str, ...], problem: str, silent: tuple[str, ...]
) -> None:
    """Since when it is cut off of the manager, or that nobody here reaches it."""
    apart = {"b": CutOff(hosts=cut, since=_FELL)} if cut else {}
    a, b = regions.look(_hosts(hosts), apart, {"a": 60.0, "b": 1800.0})
    assert (b.problem, b.silent) == (problem, silent)
    assert b.cut_off_since == ("2026-05-04T03:02:01Z" if cut else "")
    assert b.reachable == sum(word.startswith("b") and not word.endswith("!") for word in hosts.split())
    assert (a.name, a.hosts, a.problem) == ("a", 1, "")

"""When a datastore's files are made smaller, its history is dropped, and writes are allowed again."""

from __future__ import annotations

from typing import Any

import pytest

from installer.controller.datastores.upkeep import Compact, Defragment, Disarm, Space, decide

MI = 2**20
QUOTA = 2048 * MI


def members(*sizes: tuple[int, int], leader: int = 0) -> list[Space]:
    """Members by size and use, in MiB."""
    return [
        Space(name=f"a-{n}", size=size * MI, in_use=used * MI, leader=n == leader)
        for n, (size, used) in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sizes", "action"),
    [
        ([(40, 4)] * 3, None),  # ten times too large, yet nothing against the quota
        ([(1000, 600)] * 3, None),
        ([(1000, 400)] * 3, Defragment("a-1")),  # not a-0, the leader
        ([(1000, 400), (400, 400), (1000, 400)], Defragment("a-2")),
        ([(1000, 400), (400, 400), (400, 400)], Defragment("a-0")),  # the leader last
        ([(1000, 400)], Defragment("a-0")),
        ([(0, 0)], None),
    ],
)
def test_a_file_far_larger_than_its_content_is_defragmented(sizes: list[tuple[int, int]], action: Any) -> None:
    """One member at a time, the leader last, and only where it is worth a pause."""
    assert decide(members(*sizes), QUOTA, full=False) == action


@pytest.mark.parametrize(
    ("sizes", "action"),
    [
        ([(2050, 2040)] * 3, Compact()),
        ([(2050, 1000)] * 3, Defragment("a-1")),
        ([(2050, 1000), (1000, 1000), (1000, 1000)], Defragment("a-0")),
        ([(1000, 1000)] * 3, Disarm()),
        ([(1000, 600)] * 3, Disarm()),  # also when the quota was raised
        ([(1990, 1980)] * 3, Compact()),  # so little room that it would be full again at once
    ],
)
def test_a_full_datastore_is_compacted_defragmented_and_opened_again(sizes: list[tuple[int, int]], action: Any) -> None:
    """In this order, each as soon as it helps."""
    assert decide(members(*sizes), QUOTA, full=True) == action

"""How many targets change at once: the arithmetic of batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batch_size(total: int, share: str | int) -> int:
    """How many of `total` make a batch: a number, or a percentage rounded down; at least one, at most all."""
    size = total * int(share.removesuffix("%")) // 100 if isinstance(share, str) else share
    return max(1, min(total, size))


def batches(items: Sequence[T], share: str | int, group: Callable[[T], str] = lambda item: "") -> Iterator[Sequence[T]]:
    """`items` in batches of `share`, each of one group, in order of the groups; the last of each may be smaller."""
    size = batch_size(len(items), share)
    for _, found in itertools.groupby(sorted(items, key=group), group):
        members = list(found)
        for start in range(0, len(members), size):
            yield members[start : start + size]

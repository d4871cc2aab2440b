"""How many targets change at once: the arithmetic of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batch_size(total: int, share: str | int) -> int:
    """How many of `total` make a batch: a number, or a percentage rounded down; at least one, at most all."""
    size = total * int(share.removesuffix("%")) // 100 if isinstance(share, str) else share
    return max(1, min(total, size))


def batches(items: Sequence[T], share: str | int) -> Iterator[Sequence[T]]:
    """`items` in order, in batches of `share`; the last one may be smaller."""
    size = batch_size(len(items), share)
    for start in range(0, len(items), size):
        yield items[start : start + size]

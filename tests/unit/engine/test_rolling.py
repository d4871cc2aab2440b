"""The arithmetic of batches."""

from __future__ import annotations

import pytest

from installer.engine.rolling import batch_size, batches


@pytest.mark.parametrize(
    ("total", "share", "size"),
    [
        (3, "10%", 1),
        (10, "10%", 1),
        (50, "10%", 5),
        (59, "10%", 5),
        (1000, "10%", 100),
        (7, "50%", 3),
        (7, "100%", 7),
        (7, 2, 2),
        (7, 100, 7),
        (0, "10%", 1),
    ],
)
def test_batch_size_follows_the_share(total: int, share: str | int, size: int) -> None:
    """A percentage is rounded down; at least one, at most all."""
    assert batch_size(total, share) == size


@pytest.mark.parametrize("total", range(25))
@pytest.mark.parametrize("share", [1, 3, "10%", "34%", "100%"])
def test_batches_hold_each_item_once_in_order(total: int, share: str | int) -> None:
    """Whatever the share; only the last batch may be smaller."""
    made = list(batches(range(total), share))
    assert [item for batch in made for item in batch] == list(range(total))
    assert len({len(batch) for batch in made[:-1]}) <= 1

"""Which conformance tests are run: all that can pass without internet, half an hour of them, or a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from tests.conformance.run import SERIAL

Selection = Literal["full", "half-hour", "short"]
SELECTIONS: Final = ("full", "half-hour", "short")
_EVERY: Final = 2  # of the list, which is in the order of subjects: so of each some
# Each with the reason why it cannot pass where no image is pulled.
CANNOT: Final[dict[str, str]] = {}
# Of each part of Kubernetes that a hosted cluster could get wrong, what takes seconds.
SHORT: Final = ()


def select(every: Sequence[str], selection: Selection) -> list[str]:
    """Names of tests among `every`, which are all that there are; raises ValueError when a table here names another."""
    if unknown := sorted({*CANNOT, *SHORT} - set(every)):
        raise ValueError(f"no conformance tests: {unknown}")
    able = [name for name in every if name not in CANNOT]
    match selection:
        case "full":
            return able
        case "half-hour":
            parallel = [name for name in able if SERIAL not in name]
            serial = [name for name in able if SERIAL in name]
            return parallel[::_EVERY] + serial[::_EVERY]
        case "short":
            return list(SHORT)

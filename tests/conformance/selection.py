"""Which conformance tests are run: all that can pass without internet, half an hour of them, or a few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import yaml

from tests.conformance.run import SERIAL

Selection = Literal["full", "half-hour", "short"]
SELECTIONS: Final = ("full", "half-hour", "short")
_EVERY: Final = 2  # of the list, which is in the order of subjects: so of each some
_TABLES: Final = yaml.safe_load((Path(__file__).parent / "selection.yaml").read_text())
CANNOT: Final[dict[str, str]] = _TABLES["cannot"]  # each with the reason why
SHORT: Final[tuple[str, ...]] = tuple(_TABLES["short"])


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

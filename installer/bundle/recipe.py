"""What a build consists of: items, each made by the first of its recipes that can, and the events they report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Made = Mapping[str, Path]  # output -> its file in the store, whose name is its sha256
Progress = Callable[[str, float], None]  # what is being done, and the share that is done already


class Recipe(Protocol):
    """One way to make the outputs of an item."""

    def key(self, made: Made) -> str:
        """Text that is equal exactly where the outputs are: all that decides them, tools included."""
        ...

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        """Leave each output at its path below `folder`; raises BundleError, SourceUnreachableError to try the next."""
        ...


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that is built as a whole."""

    title: str
    outputs: tuple[str, ...]
    seconds: float  # of a cold build on two cores
    recipes: tuple[Recipe, ...]  # in order of preference
    needs: tuple[str, ...] = ()  # outputs of earlier items


@dataclass(frozen=True, kw_only=True)
class BuildEvent:
    """How far a build is. `remaining_s` is an estimate for all that is left, corrected as the build goes."""

    kind: Literal["started", "progress", "waiting", "done", "fallback"]
    title: str
    number: int  # of this item, from 1
    of: int  # items that are not there yet
    elapsed_s: float
    remaining_s: float
    detail: str = ""


def digest(*parts: object) -> str:
    """One key over parts, which JSON can tell."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

"""Where a cluster's data is, and which step brings it to the datastore that its resource asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from installer.controller.datastores.copy import Progress


@dataclass(frozen=True)
class Whereabouts:
    """The names of datastores: `at` holds the data; `also` may hold some of it, of a move that is under way or done."""

    at: str
    also: str = ""

    def entry(self) -> dict[str, str]:
        """As it stands in a cluster's status."""
        return {"name": self.at, "also": self.also}


def recorded(status: Mapping[str, Any]) -> Whereabouts | None:
    """What a cluster's status says; None before its data is anywhere."""
    found = status.get("datastore") or {}
    return Whereabouts(found["name"], found.get("also", "")) if found.get("name") else None


class Step(Enum):
    """The next step of a move. Each is recorded or can be repeated, so that it may be cut short anywhere."""

    STAY = auto()
    CLEAR = auto()  # remove what there is in `also`
    AWAIT = auto()  # leave `also` as it is: the cluster does not serve from where its data is now
    RECORD = auto()  # that the wanted datastore will hold some of the data
    COPY = auto()  # begin to copy
    FOLLOW = auto()  # let the copy catch up
    ANNOUNCE = auto()  # that the API will stand still
    SWITCH = auto()  # lock the cluster out, bring the rest over, record where the data is now


def decide(
    where: Whereabouts, wanted: str, *, serves: bool, copying: Progress | None = None, announced: bool = False
) -> Step:
    """`wanted`: a datastore; `serves`: the control plane does, as its resource asks; `copying`: how far a copy is."""
    if where.at == wanted or where.also not in ("", wanted):
        if not where.also:
            return Step.STAY
        # Its new API servers are about to start. Until they serve, nothing is thrown away.
        return Step.CLEAR if serves else Step.AWAIT
    if not where.also:
        return Step.RECORD
    if copying is None:
        return Step.COPY
    if not copying.caught_up:
        return Step.FOLLOW
    return Step.SWITCH if announced else Step.ANNOUNCE

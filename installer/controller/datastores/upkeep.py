"""What to do next about the space of a datastore, decided from its members' sizes; nothing else.

etcd refuses writes (alarm NOSPACE) once one member's file reaches the quota, until somebody disarms it. What is deleted
stays in the file until it is compacted, and the file keeps its size until it is defragmented.
https://etcd.io/docs/v3.6/op-guide/maintenance/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Without an alarm, a file is made smaller when it is twice as large as needed and this part of the quota is at stake:
# the member stands still meanwhile.
_WORTH: Final = 20
# With an alarm, every tenth counts; below this share of the quota there is room again.
_TENTH: Final = 10
_ROOM: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class Space:
    """One member's file, in bytes."""

    name: str
    size: int
    in_use: int
    leader: bool = False

    @property
    def waste(self) -> int:
        return self.size - self.in_use


@dataclass(frozen=True)
class Defragment:
    """Make one member's file as small as it can be."""

    name: str


@dataclass(frozen=True)
class Compact:
    """Forget the history: it is what may be given up."""


@dataclass(frozen=True)
class Disarm:
    """There is room again: allow writes."""


Action = Defragment | Compact | Disarm


def decide(members: Sequence[Space], quota: int, *, full: bool) -> Action | None:
    """The next step while all members answer, or None. `quota` in bytes; `full`: alarm NOSPACE is raised."""
    leader_last = sorted(members, key=lambda member: member.leader)
    if not full:
        worth = (m for m in leader_last if m.size >= 2 * m.in_use and m.waste >= quota // _WORTH)
        return next((Defragment(member.name) for member in worth), None)
    if all(member.size < quota * _ROOM for member in members):
        return Disarm()
    wasteful = (member for member in leader_last if member.waste >= member.size // _TENTH)
    return next((Defragment(member.name) for member in wasteful), Compact())

"""The status of a Datastore resource, made from what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from installer.controller.status import Condition, entry
from installer.core.errors import InstallerError

AVAILABLE: Final = "Available"  # a majority answers: clusters can be served
MEMBERS: Final = "MembersReady"
SPACE: Final = "SpaceAvailable"


@dataclass(frozen=True, kw_only=True)
class MemberFound:
    """One member. Sizes in bytes; `joined`: see datastore.Placement."""

    name: str
    host: str
    joined: str = ""
    id: str = ""
    healthy: bool = False
    leader: bool = False
    learner: bool = False
    size: int = 0
    message: str = ""  # why it is not healthy


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one look at a datastore found."""

    available: Condition
    members_ready: Condition
    space: Condition
    members: tuple[MemberFound, ...] = ()
    used_by: tuple[str, ...] = ()
    served_by: tuple[str, ...] = ()  # the members that API servers are told of
    founded: bool = False  # it has served, so data may be in it
    outside: tuple[str, ...] = ()  # members that are to be in another region
    deletion: Condition | None = None  # what a deletion waits for

    @property
    def conditions(self) -> tuple[Condition, ...]:
        found = (self.available, self.members_ready, self.space)
        return (*found, self.deletion) if self.deletion else found

    @property
    def ready(self) -> bool:
        return all(condition.ok for condition in self.conditions)


_NOTHING_KNOWN: Final = Found(
    available=Condition(AVAILABLE, False, "Unknown"),
    members_ready=Condition(MEMBERS, False, "Unknown"),
    space=Condition(SPACE, True, "Unknown"),
)


def status(found: Found, *, generation: int, before: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """The whole status; a condition that stays as it was keeps the time of its last transition."""
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before.get("conditions") or ()}
    healthy = sum(member.healthy and not member.learner for member in found.members)
    return {
        "observedGeneration": generation,
        "phase": phase(found),
        "summary": f"{healthy}/{len(found.members)}",
        "size": in_mib(max((member.size for member in found.members), default=0)),
        "founded": found.founded or bool(before.get("founded")),
        "clusters": len(found.used_by),
        "usedBy": list(found.used_by),
        "servedBy": list(found.served_by) or list(before.get("servedBy") or ()),
        # Where members were is what they are laid out from again, so it is never forgotten.
        "members": [_member(member) for member in found.members] or list(before.get("members") or ()),
        "conditions": [entry(c, generation, times, moment) for c in (*found.conditions, _ready(found.conditions))],
    }


def failed(exc: InstallerError, *, generation: int, before: Mapping[str, Any]) -> dict[str, Any]:
    """The status after a pass that did not come to its end: as before, but for why."""
    known = status(_NOTHING_KNOWN, generation=generation, before=before) | dict(before)
    why = Condition(MEMBERS, False, "Failed", exc.explain())
    others = [c for c in known["conditions"] if c["type"] not in {MEMBERS, "Ready"}]
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before.get("conditions") or ()}
    told = [entry(c, generation, times, moment) for c in (why, _ready((why,)))]
    return known | {"phase": "Degraded" if known["founded"] else "Pending", "conditions": [*others, *told]}


def phase(found: Found) -> str:
    """One word for people."""
    if found.ready:
        return "Ready"
    if found.deletion:
        return "Deleting"
    if not found.available.ok:
        return "Unavailable" if found.founded else "Pending"
    return "Full" if not found.space.ok else "Degraded"


def in_mib(size: int) -> str:
    """A size in bytes as it is shown: coarse, so that a status does not change with every write."""
    return f"{size / 2**20:.0f} MiB"


def _member(member: MemberFound) -> dict[str, Any]:
    return {**vars(member), "size": in_mib(member.size)}


def _ready(conditions: Sequence[Condition]) -> Condition:
    lacking = next((condition for condition in conditions if not condition.ok), None)
    return Condition("Ready", False, lacking.reason, lacking.message) if lacking else Condition("Ready", True, "Ready")

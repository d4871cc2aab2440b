"""The members of an etcd as each of them tells of itself, and whether one may be taken away for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from installer.core import layout
from installer.core.version import Version
from installer.kubernetes import etcd

# Entries of the log that a member may be behind the one that is furthest: a busy manager writes some hundred a second,
# and a look at all members takes less than a second.
_LAG: Final = 2000
_SEP: Final = "---"

# Sets $ctl to etcdctl as a member's host has it, and whom it asks: that member.
CLIENT: Final = f"""ctl={layout.ETCD}/{layout.BIN}/etcdctl
[ -x "$ctl" ] || ctl={layout.CURRENT}/{layout.BIN}/etcdctl
export ETCDCTL_CACERT={etcd.CONFIG}/ca.crt ETCDCTL_CERT={etcd.CONFIG}/member.crt ETCDCTL_KEY={etcd.CONFIG}/member.key
export ETCDCTL_ENDPOINTS=https://127.0.0.1:{etcd.CLIENT_PORT} ETCDCTL_DIAL_TIMEOUT=2s"""

# Prints three JSON documents, or what etcdctl complains of; ends well either way.
LOOK: Final = f"""{CLIENT}
for what in "endpoint status" "member list" "alarm list"; do
  "$ctl" --command-timeout=4s $what -w json 2>&1 | tail -n 1
  echo {_SEP}
done
"""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A member as another one lists it."""

    name: str  # empty: it never started
    learner: bool
    id: int = 0
    address: str = ""  # where its peers reach it


@dataclass(frozen=True, kw_only=True)
class Member:
    """What a member says of itself and of the others. `problem`: why it says nothing."""

    name: str
    problem: str = ""
    id: int = 0
    version: str = ""
    leader: int = 0  # id; 0: none is known
    term: int = 0
    index: int = 0  # the last entry of its log
    size: int = 0  # bytes of its database
    quota: int = 0  # bytes
    learner: bool = False
    alarms: tuple[str, ...] = ()
    members: tuple[Listed, ...] = ()


def parse(name: str, lines: Sequence[str]) -> Member:
    """What LOOK printed on the host of the member `name`."""
    parts = "\n".join(lines).split(_SEP)
    try:
        status, listed, alarms = (json.loads(part) for part in parts[:3])
        return _member(name, status[0]["Status"], listed["members"], alarms.get("alarms") or ())
    except (ValueError, KeyError, IndexError, TypeError):
        said = next((line for line in lines if line not in (_SEP, "null") and not line.startswith(("[{", "{"))), "")
        return Member(name=name, problem=_short(said) or "its etcd does not answer")


def unwell(target: str, seen: Mapping[str, Member], *, address: str = "") -> str | None:
    """Why the member `target` may not be stopped now; None when the others carry on without it.

    `address`: the target's; what the others say of it does not count.

    Every other member must be well, not only as many as a quorum needs: one that is unwell is mended first. A member
    that does not answer may be changed whatever the others are: nothing is lost by it, and it may be what is missing.
    """
    if target in seen and seen[target].problem:
        return None
    return others_unwell(target, seen, address=address)


def successor(name: str, seen: Mapping[str, Member]) -> str:
    """The id, as etcdctl has it, of a member that can lead in place of this one; empty: this one does not lead."""
    mine = seen[name]
    if mine.problem or mine.leader != mine.id:
        return ""
    well = [one for other, one in sorted(seen.items()) if other != name and one.id and not one.learner]
    return f"{max(well, key=lambda one: one.index).id:x}" if well else ""


def speaker(seen: Mapping[str, Member], *, without: str = "") -> str:
    """A member that answers and has a vote, and can tell of the others; empty: there is none."""
    return next((name for name, one in sorted(seen.items()) if not one.problem and name != without), "")


def entry(address: str, seen: Mapping[str, Member], *, by: str) -> Listed | None:
    """The member with this address, as the member `by` lists it."""
    return next((listed for listed in seen[by].members if listed.address == address), None)


def others_unwell(target: str, seen: Mapping[str, Member], *, address: str = "") -> str | None:
    """What is wrong with any member but one; None when they carry on by themselves. `address`: see `unwell`."""
    return next(_faults({name: member for name, member in seen.items() if name != target}, seen, address), None)


def behind(name: str, seen: Mapping[str, Member]) -> str | None:
    """Why the member `name` is not a full part of its cluster yet; None when it is."""
    return next(_faults({name: seen[name]}, seen), None)


def oldest(seen: Mapping[str, Member], without: str) -> Version | None:
    """The oldest version among the members but one; None when none of them answers."""
    versions = [Version.parse(one.version) for name, one in seen.items() if name != without and one.version]
    return min(versions, default=None)


def _faults(asked: Mapping[str, Member], seen: Mapping[str, Member], address: str = "") -> Iterator[str]:
    answering = [member for member in seen.values() if not member.problem]
    furthest = max((member.index for member in answering), default=0)
    leaders = {member.leader for member in answering}
    for name, member in sorted(asked.items()):
        if member.problem:
            yield f"etcd member {name} does not answer: {member.problem}"
            continue
        if member.learner:
            yield f"etcd member {name} is still a learner"
        if not member.leader:
            yield f"etcd member {name} knows no leader"
        elif len(leaders) > 1:
            yield f"etcd member {name} does not agree with the others who leads"
        if member.alarms:
            yield f"etcd member {name} has the alarm {', '.join(member.alarms)}"
        if furthest - member.index > _LAG:
            yield f"etcd member {name} is {furthest - member.index} entries behind"
        for listed in member.members:
            if address and listed.address == address:
                continue
            if not listed.name:
                yield f"etcd member {name} lists one that never started"
            elif listed.learner:
                yield f"etcd member {listed.name} is still a learner"


def _member(name: str, status: Mapping[str, Any], listed: Sequence[Any], alarms: Sequence[Any]) -> Member:
    header = status["header"]
    own = int(header["member_id"])
    errors = [f"{error}" for error in status.get("errors") or ()]
    return Member(
        name=name,
        id=own,
        version=status["version"],
        leader=int(status.get("leader", 0)),
        term=int(status.get("raftTerm", 0)),
        index=int(status.get("raftIndex", 0)),
        size=int(status.get("dbSize", 0)),
        quota=int(status.get("dbSizeQuota", 0)),
        learner=bool(status.get("isLearner", False)),
        alarms=tuple(dict.fromkeys([*(_alarm(one) for one in alarms if int(one.get("memberID", 0)) == own), *errors])),
        members=tuple(map(_listed, listed)),
    )


def _listed(entry: Mapping[str, Any]) -> Listed:
    (url, *_) = entry.get("peerURLs") or ("",)
    return Listed(
        name=entry.get("name", ""),
        learner=bool(entry.get("isLearner", False)),
        id=int(entry.get("ID", 0)),
        address=urlsplit(url).hostname or "",
    )


def _alarm(entry: Mapping[str, Any]) -> str:
    """Its name; etcdctl has numbers in JSON (https://etcd.io/docs/v3.6/dev-guide/api_reference_v3/, AlarmType)."""
    return {1: "NOSPACE", 2: "CORRUPT"}.get(entry.get("alarm", 0), str(entry.get("alarm")))


def _short(said: str) -> str:
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said.strip().removeprefix("Error: ")[:160]

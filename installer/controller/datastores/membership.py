"""What to do next about the members of a datastore, decided from what is seen of them and of hosts; nothing else.

One step at a time: remove a member that is lost or one too many, add a learner where one is missing, start it, promote
it when it caught up. Of three, a lost member goes before its successor comes; an only one, whose host leaves, stays
until its successor has all, and whoever reads from it knows that one.
https://etcd.io/docs/v3.6/op-guide/runtime-configuration/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from installer.kubernetes.datastore import THREE

# A host that reboots is back sooner. One that is away for longer loses its member, if another host is free for it.
AWAY_S: Final = 600.0
# An etcd that ends by itself this often, on a host that is well, has no data that it could start from. Should it have
# some, all that is lost by replacing it is the time to copy the data from the others.
CRASHES: Final = 2
# A connection that an API server tried to open while a member's pod went may wait for an answer for as long as gRPC
# lets it, 20 s and then a second or two: until then what it is for rests on the other members.
# https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md
SETTLED_S: Final = 25.0


@dataclass(frozen=True, kw_only=True)
class SeenMember:
    """A member's place in the datastore, and what is in it now."""

    name: str
    host: str = ""  # where it is laid out; empty: nowhere
    joined: str = ""  # the id it was laid out for; empty: it is a founder
    id: str = ""  # how etcd knows it; empty: it does not
    learner: bool = False
    answers: bool = False  # and knows a leader
    caught_up: bool = False  # has carried out what the leader has, but for the last moments
    away_s: float = 0.0  # for how long it has not answered
    patience_s: float = AWAY_S  # for how long it may
    up_s: float = SETTLED_S  # for how long its etcd runs
    crashes: int = 0  # how often it has ended by itself since it last answered
    outdated: bool = False  # it was started before its settings last changed
    told: bool = True  # all who read from the datastore know of it


@dataclass(frozen=True)
class Remove:
    """Take a lost member out of etcd, and what is laid out for it away."""

    name: str
    id: str
    reason: str


@dataclass(frozen=True)
class Add:
    """Announce a learner in the place of a member that was removed."""

    name: str
    host: str


@dataclass(frozen=True)
class Start:
    """Lay a member out that etcd expects."""

    name: str
    host: str
    id: str


@dataclass(frozen=True)
class Promote:
    """Give a learner that has caught up its vote."""

    name: str
    id: str


@dataclass(frozen=True)
class Restart:
    """Start a member anew with its present settings."""

    name: str


@dataclass(frozen=True)
class Clear:
    """Take away what is left of a member that etcd does not know, and is not to know again."""

    name: str


@dataclass(frozen=True)
class Wait:
    """Nothing can be done now, and why."""

    reason: str


Action = Remove | Add | Start | Promote | Restart | Clear | Wait


def quorate(members: Sequence[SeenMember]) -> bool:
    """Whether a majority of those that have a vote answers."""
    voters = _voters(members)
    return bool(voters) and _answering(voters) >= _majority(len(voters))


def fitting(members: int, *, staying: int, leaving: int) -> int:
    """How many members a datastore that is to lose one without a gap has, on as many manager hosts.

    A host that is away stays, and so do three members on two hosts: a third may come back.
    """
    if staying >= THREE:
        return THREE
    return 1 if leaving else members


def decide(
    members: Sequence[SeenMember],
    hosts: Mapping[str, bool],
    load: Mapping[str, int],
    *,
    count: int,
    spare: Sequence[str] = (),
) -> Action | None:
    """The next step, or None when all is well.

    `hosts`: the managers' hosts and whether each is ready; one that is not there is gone for good, or leaves. `load`:
    how many members of all datastores each host has. `count`: how many members are wanted; `spare`: names for more.
    """
    if stuck := _stuck(members, hosts):
        return Restart(stuck.name)  # who has a vote stays as it is
    if not quorate(members):
        return Wait(f"{_answering(members)} of {len(members)} members answer, which is no majority: nothing is changed")
    places = _Places(members, hosts, load)
    if learner := next((member for member in members if member.learner), None):
        return _of_learner(learner, places)
    return _of_number(places, count, spare) or _of_members(places)


@dataclass(frozen=True)
class _Places:
    members: Sequence[SeenMember]
    hosts: Mapping[str, bool]
    load: Mapping[str, int]

    def for_member(self, member: SeenMember) -> str:
        """The host that a member had, if that is well, or the emptiest one without a member of this datastore."""
        if self.hosts.get(member.host):
            return member.host
        taken = {other.host for other in self.members if other.id}
        return place(sorted(name for name, ready in self.hosts.items() if ready and name not in taken), self.load)


def place(free: Sequence[str], load: Mapping[str, int]) -> str:
    """The host with the fewest members of any datastore, the first of equals; empty when there is none."""
    return min(free, key=lambda name: load.get(name, 0), default="")


def _of_number(places: _Places, count: int, spare: Sequence[str]) -> Action | None:
    """Towards as many members as are wanted, with nothing left of others."""
    joined = [member for member in places.members if member.id]
    left = [member for member in places.members if not member.id]
    if len(joined) < count + _moves(joined, places.hosts, count):
        return _fill(left[0] if left else SeenMember(name=spare[0]), places)
    if len(joined) > count:
        return _shed(joined, places.hosts)
    return Clear(left[0].name) if left else None


def _of_members(places: _Places) -> Action | None:
    """Towards members that all answer, with their present settings."""
    members, hosts = places.members, places.hosts
    if lost := next((member for member in members if _loss(member, hosts)), None):
        return _replace(lost, members, places)
    if waits := _away(members):
        return waits
    outdated = next((member for member in members if member.outdated), None)
    if outdated and (fresh := next((one for one in members if one is not outdated and one.up_s < SETTLED_S), None)):
        return Wait(f"{outdated.name} starts anew once all API servers have found {fresh.name} again")
    return Restart(outdated.name) if outdated else None


def _fill(vacant: SeenMember, places: _Places) -> Action:
    host = places.for_member(vacant)
    return Add(vacant.name, host) if host else Wait(f"no manager host is free for member {vacant.name}")


def _moves(joined: Sequence[SeenMember], hosts: Mapping[str, bool], count: int) -> bool:
    """Whether an only member needs another beside it: its host leaves, and it answers still."""
    return count == 1 and all(member.host and member.host not in hosts and member.answers for member in joined)


def _shed(joined: Sequence[SeenMember], hosts: Mapping[str, bool]) -> Action:
    """Take one out that is too many: one that is lost or about to be, else the last by name."""
    member = max(joined, key=lambda one: (bool(_loss(one, hosts)), one.name))
    others = [other for other in joined if other is not member]
    if _answering(others) < _majority(len(others)):
        return Wait(f"the others would be no majority without {member.name}, which is one too many")
    if not any(other.told and other.answers for other in others):
        return Wait(f"not all API servers know of {', '.join(other.name for other in others)} yet")
    return Remove(member.name, member.id, f"member {member.name} on {member.host} is one too many")


def _of_learner(member: SeenMember, places: _Places) -> Action:
    if member.joined != member.id:
        host = places.for_member(member)
        return Start(member.name, host, member.id) if host else Wait(f"no manager host is free for {member.name}")
    if reason := _loss(member, places.hosts):
        return Remove(member.name, member.id, reason)  # it has no vote: nothing depends on it
    if member.answers and member.caught_up:
        return Promote(member.name, member.id)
    return Wait(f"member {member.name} on {member.host} is catching up")


def _replace(member: SeenMember, members: Sequence[SeenMember], places: _Places) -> Action:
    reason = _loss(member, places.hosts)
    others = [other for other in _voters(members) if other is not member]
    if _answering(others) < _majority(len(others)):
        return Wait(f"{reason}; the others would be no majority without it")
    if not places.for_member(member):
        return Wait(f"{reason}; no other manager host is free for it")
    return Remove(member.name, member.id, reason)


def _loss(member: SeenMember, hosts: Mapping[str, bool]) -> str:
    """Why a member is lost, or about to be; empty when it is not, or may yet come back."""
    if member.host and member.host not in hosts:
        return f"member {member.name} is on {member.host}, which is no manager host any more, or leaves"
    if member.answers:
        return ""
    if not member.host:
        return f"member {member.name} is laid out on no host"
    if hosts[member.host] and member.crashes >= CRASHES:
        return f"member {member.name} on {member.host} does not start: its data is lost or damaged"
    if member.away_s >= member.patience_s:
        return f"member {member.name} on {member.host} has not answered for {member.away_s / 60:.0f} min"
    return ""


def _stuck(members: Sequence[SeenMember], hosts: Mapping[str, bool]) -> SeenMember | None:
    """A member that does not answer, and was started with settings that are no longer wanted: they may be why."""
    found = (member for member in members if member.outdated and not member.answers and hosts.get(member.host))
    return next(found, None)


def _away(members: Sequence[SeenMember]) -> Wait | None:
    away = [member for member in members if not member.answers]
    told = ", ".join(f"{member.name} on {member.host}" for member in away)
    return Wait(f"not answering: {told}") if away else None


def _voters(members: Sequence[SeenMember]) -> list[SeenMember]:
    return [member for member in members if member.id and not member.learner]


def _answering(members: Sequence[SeenMember]) -> int:
    return sum(member.answers for member in members)


def _majority(count: int) -> int:
    return count // 2 + 1

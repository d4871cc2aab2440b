"""One pass over a datastore: a look at its members, the one step that follows from it, and what is told of both."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from installer.controller.datastores import membership, readers, upkeep
from installer.controller.datastores.etcdctl import Etcdctl, EtcdError, Member, Status, servers
from installer.controller.datastores.members import Layout, MemberWatch, Pods
from installer.controller.datastores.membership import SeenMember
from installer.controller.datastores.status import AVAILABLE, MEMBERS, SPACE, Found, MemberFound, in_mib
from installer.controller.manager_api import Api
from installer.controller.status import Condition
from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import datastore, pki
from installer.kubernetes.datastore import Placement
from installer.spec.datastore import DatastoreSpec
from installer.spec.quantity import memory_bytes

# A learner that is behind by less than this many entries has caught up; etcd itself refuses one that has not.
_LAG: Final = 1000
log = logging.getLogger("moorage.controller")


class DatastoreNotReadyError(KubernetesError, RetryableError):
    """The datastore does not serve clusters, or not yet."""


@dataclass(frozen=True)
class Serving:
    """A datastore that answers."""

    servers: tuple[str, ...]
    authority: pki.CertificateAuthority
    etcdctl: Etcdctl
    region: str = ""  # where its members are to be; empty: anywhere


@dataclass(frozen=True)
class Look:
    """The end of a pass. `steady`: nothing is under way; `serving`: None while clusters cannot use it."""

    found: Found
    steady: bool
    serving: Serving | None = None


@dataclass(kw_only=True)
class Pass:
    """One look at what is laid out, and the one step that follows from it."""

    name: str
    api: Api
    layout: Layout
    etcdctl: Etcdctl
    watch: MemberWatch
    spec: DatastoreSpec
    served: tuple[str, ...]  # the members that readers are told of

    def __post_init__(self) -> None:
        self._pods = Pods(self.layout.pods())
        self._statuses: dict[str, Status] = {}
        self._strangers: list[str] = []

    def run(self, used_by: Sequence[str], *, founded: bool) -> Look:
        if not founded and not all(self._pods.ready(name) for name in self.layout.addresses):
            why = self._why(tuple(self.layout.addresses)) or "its members start"
            return pending(Condition(AVAILABLE, False, "Starting", why), used_by)
        seen = self._see()
        if not founded and all(member.answers for member in seen):
            self.etcdctl.run_all(datastore.guarding())
            founded = True
        available = self._available(seen, founded=founded)
        self.served = serving(self.served, seen, self.spec.members)
        action: membership.Action | None = membership.Wait("starting")
        if founded and available.reason != "DataLost":
            action = self._step(self._with_readers(seen, used_by))
        if isinstance(action, membership.Clear):
            seen = [member for member in seen if member.name != action.name]
        space, tended = self._space(seen) if available.ok else (Condition(SPACE, True, "Unknown"), False)
        found = Found(
            available=available,
            members_ready=_members_ready(action, seen),
            space=space,
            members=tuple(self._member(member) for member in seen),
            used_by=tuple(used_by),
            served_by=self.served,
            founded=founded,
            outside=self.layout.outside,
        )
        where = servers([self.layout.addresses[name] for name in self.served])
        ready = Serving(where, self.layout.authority_or_raise(), self.etcdctl, self.spec.region or "")
        return Look(found, steady=action is None and not tended, serving=ready if available.ok else None)

    def _with_readers(self, seen: Sequence[SeenMember], used_by: Sequence[str]) -> Sequence[SeenMember]:
        """Those of them that are told of, where it matters: before one is taken out."""
        if sum(bool(member.id) for member in seen) <= self.spec.members:
            return seen
        told = readers.told(self.api, used_by, self.layout.addresses)
        return [replace(member, told=member.name in told) for member in seen]

    def _see(self) -> list[SeenMember]:
        """The members as etcd and the manager know them. Where etcd cannot be asked, none of them has an id."""
        layout, pods = self.layout, self._pods
        # One that is known not to listen would only be waited for.
        self._statuses = self.etcdctl.statuses([a for name, a in layout.addresses.items() if pods.ready(name)])
        known: dict[str, Member] | None
        try:
            known = {member.address: member for member in self.etcdctl.members()}
        except EtcdError as exc:
            log.warning("datastore %s: %s", self.name, exc.explain())
            known = None
        if known is not None:
            layout.peers = {name: address for name, address in layout.addresses.items() if address in known}
        self._strangers = [m.id for address, m in (known or {}).items() if address not in layout.addresses.values()]
        last = max((status.index for status in self._statuses.values()), default=0)
        seen = []
        for name, address in layout.addresses.items():
            status, member = self._statuses.get(address), (known or {}).get(address)
            started = None if known is None else bool(member and member.name)
            placement = layout.keep(name, known=started is not False, started=started)
            answers = bool(status and status.leader and (member is None or member.id == status.id))
            away = self.watch.look(name, answers=answers, pod=pods.uid(name), restarts=pods.restarts(name))
            seen.append(
                SeenMember(
                    name=name,
                    host=placement.host if placement else layout.last_host(name),
                    joined=placement.joined if placement else "",
                    id=member.id if member else "",
                    learner=bool(member and member.learner),
                    answers=answers,
                    caught_up=status is not None and last - status.index < _LAG,
                    away_s=away.seconds,
                    patience_s=max(membership.AWAY_S, layout.patience_s.get(placement.host, 0.0) if placement else 0.0),
                    up_s=pods.up_s(name, time.time()),
                    crashes=away.crashes,
                    outdated=pods.outdated(name, layout.revision(name)),
                )
            )
        return seen

    def _available(self, seen: Sequence[SeenMember], *, founded: bool) -> Condition:
        if not founded:
            return Condition(AVAILABLE, False, "Starting", "its members look for each other")
        if not membership.quorate(seen):
            silent = [member.name for member in seen if not member.answers]
            message = f"{len(seen) - len(silent)} of {len(seen)} members answer, no majority: {self._why(silent)}"
            hint = f"`kubectl -n {datastore.NAMESPACE} get pods -o wide` in the manager"
            return Condition(AVAILABLE, False, "NoQuorum", f"{message}; {hint}")
        if not self.etcdctl.guarded():
            message = (
                "its members started with no data, what was in it is lost: "
                f"`kubectl delete datastore {self.name} --wait=false` in the manager, then delete its clusters"
            )
            return Condition(AVAILABLE, False, "DataLost", message)
        return Condition(AVAILABLE, True, "Serving")

    def _why(self, names: Sequence[str]) -> str:
        return "; ".join(f"{name}: {why}" for name in names if (why := self._pods.why(name)))

    def _step(self, seen: Sequence[SeenMember]) -> membership.Action | None:
        layout, etcdctl = self.layout, self.etcdctl
        if self._strangers:
            ids = ", ".join(self._strangers)
            return membership.Wait(f"etcd has members that are not of this datastore: `etcdctl member remove` {ids}")
        spare = [name for name in datastore.member_names(self.name, datastore.THREE) if name not in layout.addresses]
        action = membership.decide(seen, layout.hosts, layout.load, count=self.spec.members, spare=spare)
        if action is not None and not isinstance(action, membership.Wait):
            log.info("datastore %s: %s", self.name, action)
        match action:
            case membership.Remove(name, member_id):
                self._hand_over(name, seen)
                etcdctl.run_all([("member", "remove", member_id)])
                layout.take_away(name)
                self.watch.forget(name)
            case membership.Add(name, host):
                layout.address(name)
                layout.lay_out(name, Placement(host, etcdctl.add_learner(name, layout.addresses[name])))
            case membership.Start(name, host, member_id):
                layout.take_away(name)
                layout.lay_out(name, Placement(host, member_id))
            case membership.Promote(_, member_id):
                etcdctl.run_all([("member", "promote", member_id)])
            case membership.Restart(name):
                self._hand_over(name, seen)
                layout.restart(name)
            case membership.Clear(name):
                layout.clear(name)
        return action

    def _hand_over(self, name: str, seen: Sequence[SeenMember]) -> None:
        """Before a member goes, for good or for a moment, that leads; to one that is not about to go itself."""
        address = self.layout.addresses[name]
        status = self._statuses.get(address)
        others = [one for one in seen if one.name != name and one.id and one.answers and not one.learner]
        if status and status.leader == status.id and others:
            self.etcdctl.hand_over(address, min(others, key=lambda one: one.outdated).id)

    def _space(self, seen: Sequence[SeenMember]) -> tuple[Condition, bool]:
        """Whether there is room, and whether something was done about it."""
        quota = memory_bytes(self.spec.quota)
        alarms = self.etcdctl.alarms() if any(status.troubled for status in self._statuses.values()) else ()
        full, done = "NOSPACE" in alarms, False
        # Disarming spares no alarm: where members differ, all is left as it is.
        well = len(self._statuses) == len(seen) and not any(member.learner for member in seen)
        if well and "CORRUPT" not in alarms:
            done = self._tend(upkeep.decide(self._spaces(), quota, full=full))
        if full and "CORRUPT" not in alarms:
            size = in_mib(max(status.size for status in self._statuses.values()))
            return Condition(SPACE, False, "Full", _full(self.name, size, self.spec.quota)), done
        if alarms:
            message = f"etcd says that its members differ ({', '.join(alarms)}): `etcdctl alarm list` names the one"
            return Condition(SPACE, False, "Corrupt", message), done
        return Condition(SPACE, True, "RoomLeft"), done

    def _spaces(self) -> list[upkeep.Space]:
        return [
            upkeep.Space(name=name, size=found.size, in_use=found.in_use, leader=found.leader == found.id)
            for name, address in self.layout.addresses.items()
            if (found := self._statuses.get(address))
        ]

    def _tend(self, action: upkeep.Action | None) -> bool:
        if action is not None:
            log.info("datastore %s: %s", self.name, action)
        match action:
            case upkeep.Defragment(name):
                self.etcdctl.defragment(self.layout.addresses[name])
            case upkeep.Compact():
                revision = max(status.revision for status in self._statuses.values())
                self.etcdctl.run_all([("compact", str(revision))])
            case upkeep.Disarm():
                self.etcdctl.run_all([("alarm", "disarm")])
        # Compacting may free nothing: then it is for the user to act, and no reason to hurry.
        return action is not None and not isinstance(action, upkeep.Compact)

    def _member(self, member: SeenMember) -> MemberFound:
        found = self._statuses.get(self.layout.addresses[member.name])
        return MemberFound(
            name=member.name,
            host=member.host,
            joined=member.joined,
            id=member.id,
            healthy=member.answers,
            leader=bool(found and found.leader == found.id),
            learner=member.learner,
            size=found.size if found else 0,
            message="" if member.answers else self._pods.why(member.name),
        )


def serving(before: tuple[str, ...], seen: Sequence[SeenMember], count: int) -> tuple[str, ...]:
    """The members that readers are told of: another list makes API servers start anew, so it follows only what stays.

    While one is replaced, it is as it was; while another is to take over, both are there.
    """
    joined = [member for member in seen if member.id]
    voters = tuple(sorted(member.name for member in joined if not member.learner))
    if len(joined) == len(voters) == count and all(member.answers for member in joined):
        return voters
    if len(joined) > count:
        return tuple(sorted({*before, *voters}))
    return before


def pending(condition: Condition, used_by: Sequence[str], *, steady: bool = False) -> Look:
    """Nobody can be served yet, and why."""
    waiting = Condition(MEMBERS, False, condition.reason, condition.message)
    found = Found(
        available=condition, members_ready=waiting, space=Condition(SPACE, True, "Unknown"), used_by=tuple(used_by)
    )
    return Look(found, steady=steady)


def _members_ready(action: membership.Action | None, seen: Sequence[SeenMember]) -> Condition:
    match action:
        case None:
            return Condition(MEMBERS, True, "Ready", f"{len(seen)} of {len(seen)} members answer")
        case membership.Wait(reason):
            return Condition(MEMBERS, False, "Waiting", reason)
        case membership.Remove(_, _, reason):
            return Condition(MEMBERS, False, "Replacing", f"{reason}; it is taken out")
        case membership.Restart(name):
            return Condition(MEMBERS, False, "Restarting", f"member {name} takes its new settings")
        case membership.Clear(name):
            return Condition(MEMBERS, False, "Replacing", f"what is left of member {name} is taken away")
        case _:
            return Condition(MEMBERS, False, "Replacing", f"member {action.name} joins")


def _full(name: str, size: str, quota: str) -> str:
    patch = f'kubectl patch datastore {name} --type=merge -p \'{{"spec":{{"quota":"LARGER"}}}}\''
    return (
        f"it is full ({size} of {quota}): its clusters can read and delete, not write; delete what is not needed in "
        f"them, e.g. `kubectl delete events -A --all`, or give it more: `{patch}` in the manager"
    )

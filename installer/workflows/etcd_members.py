"""The manager's etcd: how its members are, and the guard that keeps their quorum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from installer.core.errors import HostError, InstallerError
from installer.engine.plan import Target
from installer.kubernetes import etcd, host, members
from installer.kubernetes.members import Member
from installer.transport.fleet import fan_out
from installer.workflows.registry import GUARDS
from installer.workflows.session import Session

_GUARD_S: Final = 60
_TWO: Final = 2  # members, of which neither can be without the other


def look(session: Session, *also: str) -> Mapping[str, Member]:
    """Every member by its host's name, asked on its own host; one that cannot be asked is told as such.

    Members are the managers that have taken part already, those that leave included; before there are any, all
    managers. `also`: one that is just about to take part.
    """

    def one(name: str) -> Member:
        lines: list[str] = []
        session.connection(name).run(members.LOOK, on_line=lines.append, timeout_s=20, step="ask etcd")
        return members.parse(name, lines)

    found = fan_out(tuple(dict.fromkeys((*_taking_part(session), *also))), one)
    seen = {
        name: Member(name=name, problem=member.what) if isinstance(member, InstallerError) else member
        for name, member in found.items()
    }
    return {name: member for name, member in seen.items() if not _has_left(session, name, seen)}


def settled(session: Session) -> Mapping[str, Member]:
    """The same without what `up` is in the middle of: members that it lets join, and those that are gone and leave."""
    joining = [name for name in session.managers if joins(session, name)]
    hosts = {**session.hosts, **session.leaving}
    apart = {str(hosts[name].cluster_address) for name in (*joining, *session.gone_for_good)}
    return {
        name: replace(member, members=tuple(one for one in member.members if one.address not in apart))
        for name, member in look(session).items()
        if name not in joining
    }


def start(session: Session, names: Iterable[str]) -> None:
    """Start members that were left stopped, as by a run that was killed while it copied their data."""
    for name in names:
        session.connection(name).run("systemctl start --no-block etcd", check=False, step="start etcd")


def hand_over(session: Session, name: str) -> None:
    """Let another member lead before this one is stopped; where that fails, they elect one a second later."""
    if successor := members.successor(name, look(session)):
        script = f'{members.CLIENT}\n"$ctl" --command-timeout=5s move-leader {successor}'
        session.connection(name).run(script, check=False, timeout_s=20, step="let another etcd member lead")


def joins(session: Session, name: str) -> bool:
    """Whether a manager comes to members that have their data already, rather than founds etcd together with them."""
    others = [other for other in session.serving_managers if other != name]
    if not others or name not in session.hosts:  # the second: it is not provided yet
        return bool(others)
    if session.facts(name).manifest.release:
        return False
    seen = look(session)
    if by := members.speaker(seen, without=name):
        mine = members.entry(session.managers[name], seen, by=by)
        return mine is None or mine.learner or not mine.name or not session.facts(name).manifest.serves
    return name not in _founders(session, others[0])


def admit(session: Session, name: str) -> Mapping[str, str]:
    """Make a manager without data a member, as a learner; returns all members it is to find: name -> address.

    A member that it was before it lost its data goes first: https://etcd.io/docs/v3.6/op-guide/runtime-configuration/.
    Raises HostError where etcd refuses.
    """
    seen, address = look(session), session.managers[name]
    by = _speaker(seen, name)
    mine = members.entry(address, seen, by=by)
    if mine is not None and mine.name and not mine.learner:
        _ctl(session, by, f"member remove {mine.id:x}")
        mine = None
    if mine is None:
        _ctl(session, by, f"member add {name} --learner --peer-urls=https://{address}:{etcd.PEER_PORT}")
    others = {one.name: one.address for one in seen[by].members if one.name and one.address != address}
    return {**others, name: address}


def promote(session: Session, name: str) -> None:
    """Give a learner its vote; etcd refuses until it has caught up, and is asked again at the next look."""
    seen = look(session)
    by = members.speaker(seen, without=name)
    mine = members.entry(session.managers[name], seen, by=by) if by else None
    if mine is not None and mine.learner:
        _ctl(session, by, f"member promote {mine.id:x}", check=False)


def expel(session: Session, name: str) -> None:
    """Take the member of a host that leaves out of etcd; a second time does nothing. Raises HostError.

    Where the others are a majority without it, it is stopped before: API servers that speak to it go to another then,
    for which one that is taken out while it runs leaves them no time.
    """
    seen, address = look(session), str(session.leaving[name].cluster_address)
    by = _speaker(seen, name)
    if mine := members.entry(address, seen, by=by):
        if name in seen:
            hand_over(session, name)
            if len(seen[by].members) > _TWO:
                session.connection(name).run("systemctl stop etcd", step="stop etcd")
        _ctl(session, by, f"member remove {mine.id:x}")


def lists(session: Session, name: str) -> bool:
    """Whether etcd has a host that leaves as a member."""
    seen, address = look(session), str(session.leaving[name].cluster_address)
    by = members.speaker(seen, without=name)
    return bool(by) and members.entry(address, seen, by=by) is not None


def _has_left(session: Session, name: str, seen: Mapping[str, Member]) -> bool:
    """Whether a host that leaves is out of etcd already, as where a run was killed right after."""
    if name not in session.leaving or not seen[name].problem:
        return False
    by = members.speaker(seen, without=name)
    return bool(by) and members.entry(str(session.leaving[name].cluster_address), seen, by=by) is None


def _taking_part(session: Session) -> tuple[str, ...]:
    return session.serving_managers or tuple(session.managers)


def _founders(session: Session, name: str) -> str:
    """What a manager was told of its members at its first start."""
    lines: list[str] = []
    session.connection(name).run(f"cat {host.FIRST_START}", on_line=lines.append, check=False, step="read its members")
    return "\n".join(lines)


def _speaker(seen: Mapping[str, Member], name: str) -> str:
    if by := members.speaker(seen, without=name):
        return by
    problems = "; ".join(f"{other}: {one.problem}" for other, one in sorted(seen.items()) if other != name)
    raise HostError("no member of the manager's etcd answers", cause=problems, hint="`moorage status`")


def _ctl(session: Session, by: str, command: str, *, check: bool = True) -> None:
    script = f'{members.CLIENT}\n"$ctl" --command-timeout=5s {command}'
    session.connection(by).run(script, check=check, timeout_s=20, step=f"etcdctl {command.partition(' --')[0]}")


@GUARDS.guard(
    "etcd-quorum",
    timeout_s=_GUARD_S,
    streak=2,
    hint="mend that member (`moorage status`; on its host: `journalctl -u etcd -n 50`), then go on with `moorage up`",
)
def quorum(session: Session, target: Target) -> str | None:
    """The manager's etcd keeps its quorum while the target is away; asked anew before every step."""
    hosts = {**session.hosts, **session.leaving}
    address = str(hosts[target.name].cluster_address) if target.name in hosts else ""
    return members.unwell(target.name, look(session), address=address)

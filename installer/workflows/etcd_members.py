"""The manager's etcd: how its members are, and the guard that keeps their quorum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from installer.core.errors import InstallerError
from installer.engine.plan import Target
from installer.kubernetes import members
from installer.kubernetes.members import Member
from installer.transport.fleet import fan_out
from installer.workflows.registry import GUARDS
from installer.workflows.session import Session

_GUARD_S: Final = 60


def look(session: Session) -> Mapping[str, Member]:
    """Every member by its host's name, asked on its own host; one that cannot be asked is told as such."""

    def one(name: str) -> Member:
        lines: list[str] = []
        session.connection(name).run(members.LOOK, on_line=lines.append, timeout_s=20, step="ask etcd")
        return members.parse(name, lines)

    found = fan_out(tuple(session.managers), one)
    return {
        name: Member(name=name, problem=member.what) if isinstance(member, InstallerError) else member
        for name, member in found.items()
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


@GUARDS.guard(
    "etcd-quorum",
    timeout_s=_GUARD_S,
    streak=2,
    hint="mend that member (`moorage status`; on its host: `journalctl -u etcd -n 50`), then go on with `moorage up`",
)
def quorum(session: Session, target: Target) -> str | None:
    """The manager's etcd keeps its quorum while the target is away; asked anew before every step."""
    return members.unwell(target.name, look(session))

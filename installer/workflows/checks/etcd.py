"""Is the manager's etcd well enough that one member after the other may be stopped?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from installer.core.version import Version
from installer.hostops.preflight import Finding, Severity
from installer.kubernetes import members
from installer.kubernetes.members import Member
from installer.workflows.checks.seen import PLATFORM, PlatformSeen

_JOURNAL: Final = "journalctl -u etcd -n 50"
_FULL: Final = 0.8  # of the quota; an upgrade writes little, but nothing can be written beyond
# https://etcd.io/docs/v3.6/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean: 10 ms is good. A
# member that confirms later than its followers' patience (1 s) loses the lead over it.
_SLOW_MS, _TOO_SLOW_MS = 50.0, 500.0


def _answering(seen: PlatformSeen) -> Iterable[Member]:
    return [member for _, member in sorted(seen.members.items()) if not member.problem]


@PLATFORM.check("etcd-members", group="etcd")
def answer(seen: PlatformSeen) -> Iterable[Finding]:
    """Every member answers."""
    if "members" in seen.unknown:
        yield Finding("manager", seen.unknown["members"], "every etcd member answers")
    for name, member in sorted(seen.members.items()):
        if member.problem:
            yield Finding(name, member.problem, "its etcd member answers", _JOURNAL)


@PLATFORM.check("etcd-started", group="etcd", ignorable=False)
def started(seen: PlatformSeen) -> Iterable[Finding]:
    """Every member that is listed has started, and has a vote."""
    told = set()
    for member in _answering(seen):
        for listed in member.members:
            if not listed.name and "" not in told:
                yield Finding(member.name, "it lists a member that never started", "all have", "etcdctl member list")
            elif listed.learner and listed.name not in told:
                yield Finding(listed.name, "a learner", "a member with a vote", "it is promoted once it has caught up")
            told.add(listed.name)


@PLATFORM.check("etcd-quorum", group="etcd", ignorable=False)
def quorum(seen: PlatformSeen) -> Iterable[Finding]:
    """Enough members have a vote and answer."""
    well = sum(not member.learner for member in _answering(seen))
    needed = len(seen.members) // 2 + 1
    if seen.members and well < needed:
        yield Finding("manager", f"{well} of {len(seen.members)} members answer", f"at least {needed}", _JOURNAL)


@PLATFORM.check("etcd-leader", group="etcd")
def leader(seen: PlatformSeen) -> Iterable[Finding]:
    """All members know the same leader."""
    leaders = {member.leader for member in _answering(seen)}
    for member in _answering(seen):
        if not member.leader:
            yield Finding(member.name, "knows no leader", "one that all know", _JOURNAL)
    if len(leaders - {0}) > 1:
        yield Finding("manager", "members do not agree who leads", "one leader", _JOURNAL)


@PLATFORM.check("etcd-term", group="etcd", severity=Severity.WARNING)
def term(seen: PlatformSeen) -> Iterable[Finding]:
    """No election is under way: all are in the same term."""
    terms = {member.name: member.term for member in _answering(seen)}
    if len(set(terms.values())) > 1:
        told = ", ".join(f"{name} {number}" for name, number in terms.items())
        yield Finding("manager", f"terms differ: {told}", "one term", _JOURNAL)


@PLATFORM.check("etcd-versions", group="etcd", severity=Severity.WARNING)
def versions(seen: PlatformSeen) -> Iterable[Finding]:
    """All members are of one version; others are met where an upgrade is half done."""
    found = {member.name: member.version for member in _answering(seen)}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} {version}" for name, version in found.items())
        yield Finding("manager", told, "one version", "moorage plan retry")


@PLATFORM.check("etcd-alarms", group="etcd", ignorable=False)
def alarms(seen: PlatformSeen) -> Iterable[Finding]:
    """No member has an alarm."""
    for member in _answering(seen):
        for alarm in member.alarms:
            yield Finding(member.name, alarm, "no alarm", "mend its cause, then etcdctl alarm disarm")


@PLATFORM.check("etcd-size", group="etcd")
def size(seen: PlatformSeen) -> Iterable[Finding]:
    """Databases are well below their quota."""
    for member in _answering(seen):
        if member.quota and member.size > member.quota * _FULL:
            share = f"{member.size * 100 // member.quota} % of its quota"
            yield Finding(member.name, share, f"at most {_FULL:.0%}", "etcdctl defrag on that member")


@PLATFORM.check("etcd-lag", group="etcd")
def lag(seen: PlatformSeen) -> Iterable[Finding]:
    """No member is far behind the others."""
    for member in _answering(seen):
        if (reason := members.behind(member.name, seen.members)) and "entries behind" in reason:
            yield Finding(member.name, reason, "in step with the others", _JOURNAL)


@PLATFORM.check("etcd-fsync", group="etcd")
def fsync(seen: PlatformSeen) -> Iterable[Finding]:
    """A manager's disk confirms writes before followers lose patience."""
    for name, slowest in sorted(seen.writes_ms.items()):
        if slowest > _TOO_SLOW_MS:
            yield Finding(name, f"p99 of a confirmed write {slowest:.0f} ms", f"at most {_TOO_SLOW_MS:.0f} ms")


@PLATFORM.check("etcd-fsync-pace", group="etcd", severity=Severity.WARNING)
def fsync_pace(seen: PlatformSeen) -> Iterable[Finding]:
    """A manager's disk is quick enough for a busy etcd."""
    for name, slowest in sorted(seen.writes_ms.items()):
        if _SLOW_MS < slowest <= _TOO_SLOW_MS:
            yield Finding(name, f"p99 of a confirmed write {slowest:.0f} ms", f"at most {_SLOW_MS:.0f} ms")


@PLATFORM.check("etcd-skew", group="versions", ignorable=False)
def skew(seen: PlatformSeen) -> Iterable[Finding]:
    """One minor version at a time, and never back: https://etcd.io/docs/v3.6/upgrades/."""
    target = Version.parse(seen.target.components.etcd)
    for member in _answering(seen):
        now = Version.parse(member.version)
        if now.line > target.line:
            yield Finding(member.name, f"etcd {now}", f"not newer than {target}: its data is not read by an older one")
        elif target.line > (now.major, now.minor + 1):
            yield Finding(member.name, f"etcd {now}", f"{target} is reached by way of {now.major}.{now.minor + 1}")

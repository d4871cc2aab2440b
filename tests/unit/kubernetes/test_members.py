"""Whether a member of the manager's etcd may be stopped for a moment."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from installer.kubernetes import members
from installer.kubernetes.members import Listed, Member

_LISTED = tuple(Listed(name=name, learner=False) for name in ("m1", "m2", "m3"))


def _member(name: str, **changed: object) -> Member:
    well = Member(name=name, id=int(name[1]), version="3.6.8", leader=1, term=2, index=9000, members=_LISTED)
    return replace(well, **changed)  # type: ignore[arg-type]  # any field


_SILENT = Member(name="m2", problem="connection refused")

CASES: dict[str, tuple[str, tuple[Member, ...], str | None]] = {
    "all are well": ("m1", (_member("m1"), _member("m2"), _member("m3")), None),
    "another is away": (
        "m1",
        (_member("m1"), _SILENT, _member("m3")),
        "etcd member m2 does not answer: connection refused",
    ),
    "the one that is away is the one to change": ("m2", (_member("m1"), _SILENT, _member("m3")), None),
    "another is a learner": (
        "m1",
        (_member("m1"), _member("m2", learner=True), _member("m3")),
        "etcd member m2 is still a learner",
    ),
    "another has an alarm": (
        "m1",
        (_member("m1"), _member("m2", alarms=("NOSPACE",)), _member("m3")),
        "etcd member m2 has the alarm NOSPACE",
    ),
    "another knows no leader": (
        "m1",
        (_member("m1"), _member("m2", leader=0), _member("m3")),
        "etcd member m2 knows no leader",
    ),
    "they follow different ones": (
        "m1",
        (_member("m1"), _member("m2", leader=3), _member("m3")),
        "etcd member m2 does not agree with the others who leads",
    ),
    "another lags behind": (
        "m3",
        (_member("m1"), _member("m2", index=4000), _member("m3")),
        "etcd member m2 is 5000 entries behind",
    ),
    "one was added and never started": (
        "m1",
        (_member("m1"), _member("m2", members=(*_LISTED, Listed(name="", learner=False))), _member("m3")),
        "etcd member m2 lists one that never started",
    ),
    "the target itself lags": ("m1", (_member("m1", index=1), _member("m2"), _member("m3")), None),
    "the only one": ("m1", (_member("m1"),), None),
}


@pytest.mark.parametrize(("target", "seen", "reason"), CASES.values(), ids=CASES)
def test_guard(target: str, seen: tuple[Member, ...], reason: str | None) -> None:
    """The first reason, or none."""
    assert members.unwell(target, {member.name: member for member in seen}) == reason


def test_a_member_that_came_back_is_waited_for_until_it_has_caught_up() -> None:
    """A full part of its cluster: that is more than a process that runs."""
    seen = {"m1": _member("m1"), "m2": _member("m2", index=10), "m3": _member("m3")}
    assert members.behind("m2", seen) == "etcd member m2 is 8990 entries behind"
    assert members.behind("m1", seen) is None


def test_the_oldest_of_the_others() -> None:
    """Those that do not answer say nothing."""
    seen = {"m1": _member("m1"), "m2": _SILENT, "m3": _member("m3", version="3.7.3")}
    assert str(members.oldest(seen, without="m1")) == "3.7.3"
    assert str(members.oldest(seen, without="m3")) == "3.6.8"
    assert members.oldest({"m2": _SILENT}, without="m1") is None


def test_who_leads_hands_over_to_one_that_has_everything() -> None:
    """By its id, as etcdctl writes it; others have nothing to hand over."""
    seen = {"m1": _member("m1"), "m2": _member("m2", id=0x91BC3C398FB3C146), "m3": _member("m3", index=8000)}
    assert members.successor("m1", seen) == "91bc3c398fb3c146"
    assert members.successor("m2", seen) == ""
    assert members.successor("m1", {"m1": _member("m1"), "m2": _SILENT}) == ""
    assert members.successor("m2", {"m1": _member("m1"), "m2": _SILENT}) == ""


def _printed(status: object, listed: object, alarms: object) -> list[str]:
    return [json.dumps(status), "---", json.dumps(listed), "---", json.dumps(alarms), "---"]


def test_what_a_member_prints() -> None:
    """As etcdctl 3.6 and 3.7 do, with 64 bits of identity in a number."""
    status = {
        "header": {"cluster_id": 1, "member_id": 10501334649042878790, "revision": 5, "raft_term": 3},
        "version": "3.6.8",
        "dbSize": 4096,
        "dbSizeQuota": 2147483648,
        "leader": 10501334649042878790,
        "raftIndex": 812,
        "raftTerm": 3,
        "raftAppliedIndex": 812,
        "storageVersion": "3.6.0",
    }
    listed = {
        "members": [
            {"ID": 10501334649042878790, "name": "m1", "peerURLs": ["https://192.0.2.1:2380"]},
            {"ID": 7, "name": "m2", "isLearner": True},
        ]
    }
    alarms = {"alarms": [{"memberID": 10501334649042878790, "alarm": 1}, {"memberID": 7, "alarm": 2}]}
    found = members.parse("m1", _printed([{"Endpoint": "https://127.0.0.1:2379", "Status": status}], listed, alarms))
    assert found == Member(
        name="m1",
        id=10501334649042878790,
        version="3.6.8",
        leader=10501334649042878790,
        term=3,
        index=812,
        size=4096,
        quota=2147483648,
        alarms=("NOSPACE",),
        members=(
            Listed(name="m1", learner=False, id=10501334649042878790, address="192.0.2.1"),
            Listed(name="m2", learner=True, id=7),
        ),
    )


def test_a_member_that_does_not_answer() -> None:
    """Its client's last word is the reason."""
    warning = {"level": "warn", "error": "context deadline exceeded"}
    found = members.parse("m1", [json.dumps(warning), "---", "Error: context deadline exceeded", "---", "", "---"])
    assert found.problem
    assert found.version == ""

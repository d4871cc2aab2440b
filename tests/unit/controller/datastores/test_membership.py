"""The next step about a datastore's members: lost ones are replaced, and nothing is done that could lose a majority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from installer.controller.datastores import membership, one_pass
from installer.controller.datastores.membership import (
    AWAY_S,
    CRASHES,
    SETTLED_S,
    Action,
    Add,
    Clear,
    Promote,
    Remove,
    Restart,
    SeenMember,
    Start,
    Wait,
    place,
)

HOSTS = {"m1": True, "m2": True, "m3": True}
FOUR = {**HOSTS, "m4": True}


def member(number: int, **changed: Any) -> SeenMember:
    """Member a-NUMBER on host mNUMBER, a founder that is well."""
    values: dict[str, Any] = {
        "name": f"a-{number}",
        "host": f"m{number}",
        "id": f"{number}{number}",
        "answers": True,
        "caught_up": True,
    }
    return SeenMember(**{**values, **changed})


def away(number: int, seconds: float = 5.0, **changed: Any) -> SeenMember:
    """One that does not answer."""
    return member(number, **{"answers": False, "caught_up": False, "away_s": seconds, **changed})


def three(third: SeenMember) -> list[SeenMember]:
    return [member(1), member(2), third]


def decide(members: Sequence[SeenMember], hosts: dict[str, bool], load: dict[str, int]) -> Action | None:
    """Of as many members as are seen."""
    return membership.decide(members, hosts, load, count=len(members))


def test_all_is_well() -> None:
    """Nothing is to be done."""
    assert decide(three(member(3)), HOSTS, {}) is None
    assert decide([member(1)], {"m1": True}, {}) is None


@pytest.mark.parametrize(
    ("third", "hosts", "action"),
    [
        # It may come back: the host reboots, its etcd starts again.
        (away(3), HOSTS, Wait),
        (away(3, AWAY_S - 1), {**FOUR, "m3": False}, Wait),
        (away(3, crashes=CRASHES - 1), HOSTS, Wait),
        # It crashes because its host is in trouble, which is no sign of lost data.
        (away(3, crashes=CRASHES), {**HOSTS, "m3": False}, Wait),
        # Lost: no data to start from, no host, away for too long.
        (away(3, crashes=CRASHES), HOSTS, Remove),
        (away(3), {"m1": True, "m2": True, "m4": True}, Remove),
        (member(3), {"m1": True, "m2": True, "m4": True}, Remove),  # its host leaves, and it is well
        (away(3, AWAY_S), {**FOUR, "m3": False}, Remove),
        (away(3, 3 * AWAY_S, patience_s=4 * AWAY_S), {**FOUR, "m3": False}, Wait),  # cut off with its region
        (away(3, 4 * AWAY_S, patience_s=4 * AWAY_S), {**FOUR, "m3": False}, Remove),
        (away(3, AWAY_S), HOSTS, Remove),  # stuck on a host that is well: it begins anew there
        (away(3, host=""), HOSTS, Remove),
        # Lost, but there is no place for another: two of three that answer are no worse than two of two.
        (away(3), {"m1": True, "m2": True}, Wait),
        (member(3), {"m1": True, "m2": True}, Wait),
        (away(3, AWAY_S), {**HOSTS, "m3": False}, Wait),
        (away(3, AWAY_S), {**HOSTS, "m3": False, "m4": False}, Wait),
    ],
)
def test_a_member_is_removed_only_when_it_is_lost_and_can_be_replaced(
    third: SeenMember, hosts: dict[str, bool], action: type
) -> None:
    """A host that is merely rebooting keeps its member."""
    assert isinstance(decide(three(third), hosts, {}), action)


@pytest.mark.parametrize(
    "members",
    [
        [member(1), away(2, AWAY_S), away(3, AWAY_S)],
        [member(1), away(2, crashes=CRASHES), away(3, crashes=CRASHES)],
        [away(1, AWAY_S), away(2, AWAY_S), away(3, AWAY_S)],
        [away(1, AWAY_S)],  # the only one: its data is all there is
        [away(1, crashes=CRASHES)],
        [member(1), away(2, AWAY_S), member(3, id="", host="")],  # one of two with a vote
        [member(1), away(2, AWAY_S), member(3, learner=True)],  # a learner does not count
        [member(n, id="", answers=n != 3) for n in (1, 2, 3)],  # etcd cannot be asked who has a vote
        [],
    ],
)
def test_nothing_is_changed_without_a_majority(members: list[SeenMember]) -> None:
    """Whoever is lost, the members that are left must be able to agree, before as well as after."""
    action = decide(members, FOUR, {})
    assert isinstance(action, Wait)
    assert "no majority" in action.reason


def test_two_that_have_a_vote_cannot_spare_one() -> None:
    """One of two answers: that is no majority, so the lost one stays a member."""
    members = [member(1), away(2, crashes=CRASHES), member(3, id="", host="")]
    assert isinstance(decide(members, HOSTS, {}), Wait)


def test_a_replacement_goes_step_by_step() -> None:
    """Remove, add as a learner, start, wait until it has caught up, promote; then all is well."""
    lost = away(3, crashes=CRASHES)
    assert decide(three(lost), HOSTS, {}) == Remove(
        "a-3", "33", "member a-3 on m3 does not start: its data is lost or damaged"
    )
    removed = away(3, id="")
    assert decide(three(removed), HOSTS, {}) == Add("a-3", "m3")
    added = away(3, id="77", learner=True)
    assert decide(three(added), HOSTS, {}) == Start("a-3", "m3", "77")
    started = away(3, id="77", joined="77", learner=True)
    assert isinstance(decide(three(started), HOSTS, {}), Wait)
    behind = member(3, id="77", joined="77", learner=True, caught_up=False)
    assert isinstance(decide(three(behind), HOSTS, {}), Wait)
    caught_up = member(3, id="77", joined="77", learner=True)
    assert decide(three(caught_up), HOSTS, {}) == Promote("a-3", "77")
    assert decide(three(member(3, id="77", joined="77")), HOSTS, {}) is None


@pytest.mark.parametrize("third", [away(3, id=""), away(3, id="77", learner=True)])
@pytest.mark.parametrize("hosts", [{**FOUR, "m3": False}, {"m1": True, "m2": True, "m4": True}])
def test_a_replacement_goes_to_a_free_host_when_its_own_is_down(third: SeenMember, hosts: dict[str, bool]) -> None:
    """Never to one that has a member of this datastore already."""
    action = decide(three(third), hosts, {})
    assert isinstance(action, Add | Start)
    assert action.host == "m4"


@pytest.mark.parametrize(
    ("learner", "hosts"),
    [
        (away(3, id="77", joined="77", learner=True, crashes=CRASHES), HOSTS),
        (away(3, id="77", joined="77", learner=True), {"m1": True, "m2": True, "m4": True}),
        (away(3, AWAY_S, id="77", joined="77", learner=True), HOSTS),
    ],
)
def test_a_learner_that_is_lost_is_removed_again(learner: SeenMember, hosts: dict[str, bool]) -> None:
    """It has no vote: nothing depends on it."""
    assert isinstance(decide(three(learner), hosts, {}), Remove)


def test_one_at_a_time() -> None:
    """Of two steps that are due, the one that was begun comes first."""
    learner = away(3, id="77", joined="77", learner=True)
    members = [member(1), away(2, AWAY_S, crashes=CRASHES), learner, *(member(n) for n in (4, 5))]
    hosts = {f"m{n}": True for n in range(1, 7)}
    assert isinstance(decide(members, hosts, {}), Wait)
    assert isinstance(decide([member(1), away(2, crashes=CRASHES), away(3, id=""), *members[3:]], hosts, {}), Add)


@pytest.mark.parametrize(
    ("members", "action"),
    [
        ([member(1), member(2, outdated=True), member(3, outdated=True)], Restart("a-2")),
        # Not while one is away: the restart would take a second one down.
        ([member(1), member(2, outdated=True), away(3)], None),
        # Nor while API servers may still look for the one before.
        ([member(1, up_s=3.0), member(2, outdated=True), member(3)], None),
        ([member(1, up_s=SETTLED_S), member(2, outdated=True, up_s=3.0), member(3)], Restart("a-2")),
        ([member(1, up_s=3.0, outdated=True)], Restart("a-1")),
        # What does not answer has nothing to lose, majority or not: its old settings may be why.
        ([member(1), member(2, outdated=True), away(3, outdated=True)], Restart("a-3")),
        ([away(1), away(2, outdated=True), away(3, outdated=True)], Restart("a-2")),
        # A host that is down would only keep its pod from ending.
        ([member(1), member(2), away(4, outdated=True)], None),
        ([member(1), member(2, outdated=True), member(3, id="77", learner=True, joined="77")], Promote("a-3", "77")),
    ],
)
def test_new_settings_reach_one_member_at_a_time(members: list[SeenMember], action: Any) -> None:
    """A restart never costs the majority."""
    found = decide(members, {**HOSTS, "m4": False}, {})
    assert found == action if action else isinstance(found, Wait)


def test_the_emptiest_host_takes_a_member() -> None:
    """The first of equals, so that the choice does not change from pass to pass."""
    assert place(["m1", "m2", "m3"], {"m1": 2, "m2": 1, "m3": 1}) == "m2"
    assert place([], {}) == ""


@pytest.mark.parametrize(
    ("members", "staying", "leaving", "fitting"),
    [
        (1, 1, 0, 1),
        (1, 2, 0, 1),
        (1, 3, 0, 3),
        (1, 3, 2, 3),
        (3, 5, 0, 3),
        (3, 3, 1, 3),  # one takes another's place
        (3, 2, 0, 3),  # one is gone, another is to come
        (3, 2, 1, 1),
        (3, 1, 2, 1),
        (1, 1, 2, 1),
    ],
)
def test_as_many_members_as_fit_the_managers(members: int, staying: int, leaving: int, fitting: int) -> None:
    """Three where one may be lost; one only when a host that goes leaves too few."""
    assert membership.fitting(members, staying=staying, leaving=leaving) == fitting


@pytest.mark.parametrize(
    ("members", "hosts", "action"),
    [
        ([member(1), member(2), member(3)], HOSTS, "3"),
        ([member(1), member(2), away(3)], HOSTS, "3"),
        ([away(1, host="m1"), member(2), member(3)], {"m2": True, "m3": True}, "1"),  # its host is gone
        ([member(1), member(2), member(3)], {"m3": True}, "2"),  # their hosts leave
        ([member(1), member(3)], HOSTS, "3"),
        ([member(1), away(3)], HOSTS, "no majority"),
        ([member(1, told=False), member(3)], {"m1": True}, "not all API servers know of a-1"),
        ([away(1), member(2, told=False), member(3)], HOSTS, "no majority without a-3"),
    ],
)
def test_one_too_many_goes(members: list[SeenMember], hosts: dict[str, bool], action: str) -> None:
    """Those that are lost or about to be go first; never without a majority, nor one that is all that readers know."""
    found = membership.decide(members, hosts, {}, count=1)
    if action.isdigit():
        assert isinstance(found, Remove)
        assert found.name == f"a-{action}"
    else:
        assert isinstance(found, Wait)
        assert action in found.reason


class World:
    """Hosts, and a datastore that does what is decided; readers hear of its members when it settles or has too many."""

    def __init__(self, hosts: str, members: dict[int, str]) -> None:
        self.hosts = dict.fromkeys(hosts.split(), True)
        self.members = {f"a-{n}": member(n, name=f"a-{n}", host=host) for n, host in members.items()}
        self.served = tuple(sorted(self.members))
        self.ids = iter(range(100, 200))
        self.steps: list[str] = []

    def settle(self, count: int) -> None:
        """Step by step; at every moment a majority answers, and readers know a member with a vote."""
        for _ in range(40):
            seen = sorted(self.members.values(), key=lambda one: one.name)
            self.served = one_pass.serving(self.served, seen, count)
            told = [replace(one, told=one.name in self.served) for one in seen]
            spare = [name for name in ("a-0", "a-1", "a-2") if name not in self.members]
            action = membership.decide(told, self.hosts, {}, count=count, spare=spare)
            if action is None:
                return
            assert not isinstance(action, Wait), action.reason
            self.steps.append(f"{type(action).__name__.lower()} {action.name}")
            self._do(action)
            voters = [one for one in self.members.values() if one.id and not one.learner]
            assert membership.quorate(voters)
            assert {one.name for one in voters} & set(self.served)
        raise AssertionError("it never settles")

    def _do(self, action: Action) -> None:
        match action:
            case Remove(name):
                self.members[name] = away(0, name=name, host=self.members[name].host, id="")
            case Add(name, host):
                made = str(next(self.ids))
                self.members[name] = member(0, name=name, host=host, id=made, joined=made, learner=True)
            case Promote(name):
                self.members[name] = replace(self.members[name], learner=False)
            case Clear(name):
                del self.members[name]


@pytest.mark.parametrize(
    ("hosts", "before", "count", "after", "steps"),
    [
        ("x", {0: "x"}, 1, {0: "x"}, 0),
        ("x y z", {0: "x"}, 3, {0: "x", 1: "y", 2: "z"}, 4),
        ("x y z", {0: "x", 1: "y", 2: "z"}, 1, {0: "x"}, 4),
        ("x y z", {1: "y"}, 3, {0: "x", 1: "y", 2: "z"}, 4),
        ("y", {0: "x", 1: "y", 2: "z"}, 1, {1: "y"}, 4),  # x and z leave
        ("y z", {0: "x"}, 1, {1: "y"}, 4),  # the only member's host leaves
        ("w y z", {0: "x", 1: "y", 2: "z"}, 3, {0: "w", 1: "y", 2: "z"}, 3),  # x leaves, w is there for it
    ],
)
def test_another_number_and_other_hosts(
    hosts: str, before: dict[int, str], count: int, after: dict[int, str], steps: int
) -> None:
    """Nothing is left of those that are not wanted any more, and readers know the others."""
    world = World(hosts, before)
    world.settle(count)
    assert {name: one.host for name, one in world.members.items()} == {f"a-{n}": host for n, host in after.items()}
    assert world.served == tuple(sorted(world.members))
    assert len(world.steps) == steps, world.steps


def test_readers_hear_of_members_that_stay() -> None:
    """Not while one is replaced, or before all that are wanted have a vote: each list makes API servers start anew."""
    one = ("a-1",)
    growing = [member(1), member(2), member(3, learner=True)]
    assert one_pass.serving(one, growing, 3) == one
    assert one_pass.serving(one, three(member(3)), 3) == ("a-1", "a-2", "a-3")
    replaced = [member(1), member(2), away(3, id="")]
    assert one_pass.serving(("a-1", "a-2", "a-3"), replaced, 3) == ("a-1", "a-2", "a-3")
    assert one_pass.serving(one, [away(1, id="")], 1) == one

"""The status of a datastore."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from installer.controller.datastores.status import Found, MemberFound, failed, status
from installer.controller.status import Condition
from installer.core.errors import KubernetesError

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
WELL = Found(
    available=Condition("Available", True, "Serving"),
    members_ready=Condition("MembersReady", True, "Ready"),
    space=Condition("SpaceAvailable", True, "RoomLeft"),
    members=(
        MemberFound(name="a-0", host="m1", healthy=True, leader=True, size=3 * 2**20),
        MemberFound(name="a-1", host="m2", healthy=True, learner=True),
    ),
    used_by=("team-a", "team-b"),
    founded=True,
)


def shown(found: Found, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return status(found, generation=3, before=before or {}, now=NOW)


def test_what_columns_show() -> None:
    """Voters that are well of all members, the largest file, how many clusters."""
    found = shown(WELL)
    assert (found["phase"], found["summary"], found["size"], found["clusters"]) == ("Ready", "1/2", "3 MiB", 2)
    assert found["usedBy"] == ["team-a", "team-b"]
    assert found["conditions"][-1]["type"] == "Ready"
    assert {condition["observedGeneration"] for condition in found["conditions"]} == {3}


@pytest.mark.parametrize(
    ("changed", "phase", "reason"),
    [
        ({"members_ready": Condition("MembersReady", False, "Replacing")}, "Degraded", "Replacing"),
        ({"space": Condition("SpaceAvailable", False, "Full")}, "Full", "Full"),
        ({"available": Condition("Available", False, "NoQuorum")}, "Unavailable", "NoQuorum"),
        ({"available": Condition("Available", False, "Starting"), "founded": False}, "Pending", "Starting"),
        ({"deletion": Condition("Deletable", False, "InUse")}, "Deleting", "InUse"),
    ],
)
def test_phases(changed: dict[str, Any], phase: str, reason: str) -> None:
    """One word, and Ready repeats the reason of the first condition that does not hold."""
    found = shown(replace(WELL, **changed))
    assert found["phase"] == phase
    assert (found["conditions"][-1]["status"], found["conditions"][-1]["reason"]) == ("False", reason)


def test_where_members_are_is_not_forgotten() -> None:
    """A pass that sees none leaves them, and that there may be data, in the status."""
    found = shown(replace(WELL, members=(), founded=False), before=shown(WELL))
    assert [member["host"] for member in found["members"]] == ["m1", "m2"]
    assert found["founded"] is True


def test_a_failed_pass_keeps_what_was_known() -> None:
    """Only why it failed is new; times of other conditions stay."""
    before = shown(WELL)
    found = failed(KubernetesError("no answer", hint="look"), generation=3, before=before)
    assert found["members"] == before["members"]
    assert found["phase"] == "Degraded"
    told = {condition["type"]: condition for condition in found["conditions"]}
    assert told["Available"] == before["conditions"][0]
    assert told["Ready"]["reason"] == "Failed"
    assert "next: look" in told["MembersReady"]["message"]
    assert len(told) == len(found["conditions"])

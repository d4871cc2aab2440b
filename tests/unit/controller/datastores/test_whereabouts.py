"""The steps of a cluster's move to another datastore."""

from __future__ import annotations

import pytest

from installer.controller.datastores.copy import Progress
from installer.controller.datastores.whereabouts import Step, Whereabouts, decide, recorded

HERE = Whereabouts("here")
GOING = Whereabouts("here", also="there")
GONE = Whereabouts("there", also="here")
BEHIND = Progress("following", keys=5, gap=8000)
LEVEL = Progress("following", keys=5)


@pytest.mark.parametrize(
    ("where", "wanted", "serves", "copying", "announced", "step"),
    [
        (HERE, "here", True, None, False, Step.STAY),
        (HERE, "here", False, None, False, Step.STAY),
        (HERE, "there", True, None, False, Step.RECORD),
        (HERE, "there", False, None, False, Step.RECORD),
        (GOING, "there", True, None, False, Step.COPY),
        (GOING, "there", True, Progress(), False, Step.FOLLOW),
        (GOING, "there", True, Progress("copying", keys=5), False, Step.FOLLOW),
        (GOING, "there", True, BEHIND, False, Step.FOLLOW),
        (GOING, "there", True, LEVEL, False, Step.ANNOUNCE),
        (GOING, "there", True, LEVEL, True, Step.SWITCH),
        (GOING, "there", False, LEVEL, True, Step.SWITCH),  # it may be that its datastore is why it does not serve
        (GOING, "there", True, BEHIND, True, Step.FOLLOW),
        (GONE, "there", False, None, False, Step.AWAIT),
        (GONE, "there", True, None, False, Step.CLEAR),
        # Changed one's mind: before the switch, after it, and for a third.
        (GOING, "here", True, LEVEL, False, Step.CLEAR),
        (GONE, "here", True, None, False, Step.COPY),
        (GOING, "elsewhere", True, LEVEL, True, Step.CLEAR),
        (GONE, "elsewhere", True, None, False, Step.CLEAR),
        (GONE, "elsewhere", False, None, False, Step.AWAIT),
    ],
)
def test_the_next_step(  # noqa: PLR0917 - a row of the table
    where: Whereabouts, wanted: str, serves: bool, copying: Progress | None, announced: bool, step: Step
) -> None:
    """Nothing is removed while it might still be wanted; the API stands still only for what is nearly there."""
    assert decide(where, wanted, serves=serves, copying=copying, announced=announced) == step


@pytest.mark.parametrize(
    ("status", "where"),
    [
        ({}, None),
        ({"datastore": None}, None),
        ({"datastore": {"name": "here"}}, HERE),
        ({"datastore": GOING.entry()}, GOING),
    ],
)
def test_what_a_status_says(status: dict[str, object], where: Whereabouts | None) -> None:
    """And what is written is read as it was."""
    assert recorded(status) == where


def test_how_far_a_copy_is_for_people() -> None:
    """With how long the rest will take, where that can be long."""
    assert LEVEL.text == "5 keys are copied"
    assert BEHIND.text == "5 keys are copied; its revision is to rise by 8000 (about 3 s)"

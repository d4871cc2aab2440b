"""Plans as data: saved, compared, refused when edited."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from installer.core.errors import InstallerError
from installer.engine import saved
from installer.engine.plan import Action, Change, Plan, PlannedPhase, PlannedStep, StepId, difference


def plan_of(*changes: Change, title: str = "Up") -> Plan:
    """A plan with one phase, and a step for each change."""
    steps = tuple(
        PlannedStep(id=StepId("managers", change.target, "mark"), title="Mark", changes=(change,), guards=("quorum",))
        for change in changes
    )
    phase = PlannedPhase(name="managers", title="Managers", strategy="serial", steps=steps)
    return Plan(name="up", title=title, phases=(phase,) if steps else ())


ONE = Change("manager-1", Action.UPDATE, "write /etc/hosts", ("a line",))
TWO = Change("manager-2", Action.CREATE, "create it")


def test_a_plan_survives_being_saved(tmp_path: Path) -> None:
    """What is loaded equals what was saved."""
    saved.save(plan_of(ONE, TWO), tmp_path / "plan.json")
    assert saved.load(tmp_path / "plan.json") == plan_of(ONE, TWO)


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    """A saved plan is what preview computed, or nothing."""
    data = plan_of(ONE).to_json()
    data["phases"][0]["steps"][0]["changes"][0]["summary"] = "something else"
    (tmp_path / "plan.json").write_text(json.dumps(data))
    with pytest.raises(InstallerError, match="is not a saved plan") as caught:
        saved.load(tmp_path / "plan.json")
    assert "edited" in caught.value.cause


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}', "\x00"])
def test_what_is_not_a_plan_is_refused(tmp_path: Path, text: str) -> None:
    """Any other file is told to be none, with the command that makes one."""
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InstallerError, match="is not a saved plan") as caught:
        saved.load(tmp_path / "plan.json")
    assert "--save" in caught.value.hint


def test_what_is_left_of_a_plan_is_still_that_plan() -> None:
    """A run that was killed is followed by one with the same plan; nothing may come to it."""
    saved.require_same(plan_of(ONE, TWO), plan_of(TWO))
    saved.require_same(plan_of(ONE, TWO), plan_of())
    parts = replace(ONE, detail=("one", "two", "three"))
    saved.require_same(plan_of(parts), plan_of(replace(ONE, detail=("one", "three"))))
    with pytest.raises(InstallerError, match="not what was saved"):
        saved.require_same(plan_of(parts), plan_of(replace(ONE, detail=("one", "four"))))
    with pytest.raises(InstallerError, match="not what was saved"):
        saved.require_same(plan_of(ONE), plan_of(ONE, TWO))


def test_a_missing_plan_is_told(tmp_path: Path) -> None:
    """The error names the file and why it cannot be read."""
    with pytest.raises(InstallerError, match="No such file"):
        saved.load(tmp_path / "plan.json")


def test_the_same_changes_are_the_same_plan_whatever_the_title() -> None:
    """Titles and guards are words for people; the order of targets follows from the hosts' order."""
    assert plan_of(ONE, TWO).digest == plan_of(TWO, ONE, title="Other").digest
    saved.require_same(plan_of(ONE, TWO), plan_of(TWO, ONE, title="Other"))


@pytest.mark.parametrize(
    "other",
    [
        plan_of(ONE, TWO, TWO),
        plan_of(ONE, replace(TWO, summary="other")),
        plan_of(ONE, replace(TWO, action=Action.DELETE)),
        plan_of(replace(ONE, detail=()), TWO),
    ],
)
def test_any_other_change_is_another_plan(other: Plan) -> None:
    """`up --plan` refuses then."""
    with pytest.raises(InstallerError, match="not what was saved"):
        saved.require_same(plan_of(ONE, TWO), other)


def test_the_difference_names_each_change_that_only_one_plan_has() -> None:
    """Minus: only saved; plus: only now."""
    assert difference(plan_of(ONE), plan_of(TWO)) == (
        "- managers/manager-1/mark: update manager-1: write /etc/hosts",
        "+ managers/manager-2/mark: create manager-2: create it",
    )

"""Playbooks and users' own steps: what is refused, with file and line, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from installer.core.errors import SpecError
from installer.engine.events import StepReport
from installer.engine.plan import StepId, Target
from installer.engine.playbook import Playbook
from installer.engine.preview import preview
from installer.engine.user_steps import Script, insert
from tests.unit.engine.world import World

PHASES = (
    "  - {name: bundle, title: B, on: platform, steps: [mark], background: true}\n"
    "  - {name: managers, title: M, on: {role: manager}, steps: [mark]}\n"
)
Make = Callable[[str], Playbook[World]]


@pytest.mark.parametrize(
    ("phases", "fault"),
    [
        (
            "  - {name: a, title: A, on: hosts, steps: [marc]}",
            ":4: phases[0].steps[0]: no step has the name marc; did you mean mark?",
        ),
        (
            "  - {name: a, title: A, on: hosts, steps: [mark], guards: [quorun]}",
            ":4: phases[0].guards[0]: no guard has the name quorun; did you mean quorum?",
        ),
        (
            "  - {name: a, title: A, on: hosts, steps: [mark], needs: [b]}",
            ":4: phases[0].needs[0]: no earlier phase has the name b",
        ),
        (
            "  - {name: a, title: A, on: hosts, steps: [mark]}\n  - {name: a, title: A, on: hosts, steps: [mark]}",
            ":5: phases[1].name: a phase of this name stands above",
        ),
        (
            "  - {name: a, title: A, on: hosts, stepz: [mark], steps: [mark]}",
            ":4: phases[0].stepz: unknown key; did you mean steps?",
        ),
        ("  - {name: a, title: A, on: everyone, steps: [mark]}", ":4: phases[0].on: "),
        ('  - {name: a, title: A, on: hosts, steps: [mark], strategy: {batches: "0%"}}', ":4: phases[0].strategy"),
        ("  - {name: a, title: A, on: hosts, steps: []}", ":4: phases[0].steps: must not be empty"),
    ],
)
def test_a_wrong_playbook_is_refused_with_file_and_line(playbook_of: Make, phases: str, fault: str) -> None:
    """Before anything happens."""
    with pytest.raises(SpecError) as caught:
        playbook_of(phases)
    assert f"playbook.yaml{fault}" in caught.value.what


def test_strategies_and_guards_are_told_in_words(playbook_of: Make) -> None:
    """As the tree shows them."""
    playbook = playbook_of(
        "  - {name: a, title: A, on: hosts, steps: [mark], strategy: serial, guards: [quorum]}\n"
        '  - {name: b, title: B, on: hosts, steps: [mark], strategy: {batches: "10%"}}\n'
        "  - {name: c, title: C, on: hosts, steps: [mark], background: true}\n"
    )
    assert [phase.strategy_text for phase in playbook.phases] == [
        "serial, one at a time, guard: quorum",
        "batches of 10%",
        "parallel, in the background",
    ]


class FakeRunner:
    """Remembers which scripts ran where."""

    def __init__(self) -> None:
        self.has_run: set[tuple[str, str]] = set()

    def ran(self, ctx: World, target: Target, script: Script) -> bool:
        return (target.name, script.digest) in self.has_run

    def run(self, ctx: World, target: Target, script: Script, report: StepReport) -> None:
        self.has_run.add((target.name, script.digest))


@pytest.fixture
def steps_d(tmp_path: Path) -> Path:
    """A directory with a script in it."""
    directory = tmp_path / "steps.d"
    directory.mkdir()
    (directory / "ntp.sh").write_text("timedatectl set-ntp true\n")
    return directory


def test_users_steps_stand_where_they_say_in_the_order_of_their_files(playbook_of: Make, steps_d: Path) -> None:
    """Before and after a phase; after a background phase means after its end."""
    for name, place in (("20-b", "before: managers"), ("10-a", "before: managers"), ("30-c", "after: bundle")):
        (steps_d / f"{name}.yaml").write_text(f"name: own-{name}\n{place}\nscript: ntp.sh\n")
    phases = insert(playbook_of(PHASES), steps_d, FakeRunner()).phases
    assert [phase.name for phase in phases] == ["bundle", "own-30-c", "own-10-a", "own-20-b", "managers"]
    assert phases[1].needs == ("bundle",)


def test_a_users_step_is_planned_like_any_other_and_runs_once(playbook_of: Make, steps_d: Path, world: World) -> None:
    """Another text of the script runs again, and so does one that says always."""
    (steps_d / "ntp.yaml").write_text("name: ntp\nbefore: managers\non: {hosts: [manager-1]}\nscript: ntp.sh\n")
    runner = FakeRunner()

    def planned() -> list[str]:
        plan = preview(insert(playbook_of(PHASES), steps_d, runner), world)
        return [change.summary for where, change in plan.changes() if where == StepId("ntp", "manager-1", "ntp")]

    assert planned() == ["run ntp.sh"]
    phase = insert(playbook_of(PHASES), steps_d, runner).phases[1]
    target = Target("host", "manager-1")
    phase.steps[0].step.run(world, target, StepReport(StepId("ntp", "manager-1", "ntp"), lambda _: None))
    assert planned() == []
    (steps_d / "ntp.sh").write_text("something else\n")
    assert planned() == ["run ntp.sh"]


def test_always_means_always(playbook_of: Make, steps_d: Path, world: World) -> None:
    """It is planned although it has run."""
    (steps_d / "ntp.yaml").write_text("name: ntp\nbefore: managers\nscript: ntp.sh\nalways: true\n")
    runner = FakeRunner()
    runner.ran = lambda *_: True  # type: ignore[method-assign]
    plan = preview(insert(playbook_of(PHASES), steps_d, runner), world)
    assert any(where.phase == "ntp" for where, _ in plan.changes())


def test_users_steps_of_another_playbook_are_left_out(playbook_of: Make, steps_d: Path) -> None:
    """A step for destroy does not disturb up."""
    (steps_d / "bye.yaml").write_text("name: bye\nplaybook: destroy\nbefore: infrastructure\nscript: ntp.sh\n")
    assert insert(playbook_of(PHASES), steps_d, FakeRunner()) == playbook_of(PHASES)


def test_all_that_is_wrong_with_users_steps_is_told_at_once(playbook_of: Make, steps_d: Path) -> None:
    """Across files, with file and line."""
    (steps_d / "a.yaml").write_text("name: managers\nbefore: manager\nscript: no.sh\n")
    (steps_d / "b.yaml").write_text("name: b\nscript: ntp.sh\n")
    (steps_d / "c.yaml").write_text("name: c\nbefore: managers\non: clusters\nscript: ntp.sh\n")
    with pytest.raises(SpecError) as caught:
        insert(playbook_of(PHASES), steps_d, FakeRunner())
    for fault in (
        "a.yaml:1: name: a phase or another step has this name",
        "a.yaml:2: before: no phase has this name; did you mean managers?",
        "a.yaml:3: script: there is no such file",
        "b.yaml:1: give either before or after",
        "c.yaml:3: on: ",
    ):
        assert fault in caught.value.what


def test_without_a_directory_nothing_is_added(playbook_of: Make, tmp_path: Path) -> None:
    """Most platforms have no steps.d."""
    assert insert(playbook_of(PHASES), tmp_path / "none", FakeRunner()) == playbook_of(PHASES)

"""Previews: nothing is changed, and all that cannot be planned is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from installer.core.errors import InstallerError, SshError
from installer.engine.failures import SeveralFailuresError
from installer.engine.plan import StepId
from installer.engine.playbook import Playbook
from installer.engine.preview import preview
from tests.unit.engine.world import World

Make = Callable[[str], Playbook[World]]


def test_only_steps_with_work_are_in_the_plan(playbook_of: Make, world: World) -> None:
    """In the order of phases, hosts and steps, with the guards that will be waited for."""
    world.done = {("manager-1", "mark"), ("manager-2", "mark"), ("manager-2", "second")}
    plan = preview(
        playbook_of(
            "  - {name: done, title: D, on: {hosts: [manager-1]}, steps: [mark]}\n"
            "  - {name: managers, title: M, on: {role: manager}, steps: [mark, second], guards: [quorum]}\n"
        ),
        world,
    )
    assert [phase.name for phase in plan.phases] == ["managers"]
    assert [step.id for step in plan.phases[0].steps] == [
        StepId("managers", "manager-1", "second"),
        StepId("managers", "manager-3", "mark"),
        StepId("managers", "manager-3", "second"),
    ]
    assert plan.phases[0].steps[0].guards == ("quorum",)
    assert world.order == []


def test_every_host_that_cannot_be_planned_is_told(playbook_of: Make, world: World) -> None:
    """With its name and the step, not only the first."""

    class Unreachable(set[tuple[str, str]]):
        def __contains__(self, item: object) -> bool:
            raise SshError("cannot be reached")

    world.done = Unreachable()
    with pytest.raises(SeveralFailuresError) as caught:
        preview(playbook_of("  - {name: m, title: M, on: {role: manager}, steps: [mark]}\n"), world)
    assert [str(error) for error in caught.value.errors] == [
        f"manager-{number}: Mark: cannot be reached" for number in (1, 2, 3)
    ]
    assert isinstance(caught.value, InstallerError)
    assert caught.value.exit_code == SshError.exit_code

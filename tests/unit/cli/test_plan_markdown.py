"""Plans as comments on a change."""

from __future__ import annotations

from dataclasses import replace

from installer.cli import plan_markdown, plan_text
from installer.engine.plan import Action, Change, Plan, PlannedPhase, PlannedStep, StepId
from installer.spec.costs import Cost, Costs
from tests.conftest import Golden


def _phase(name: str, title: str, *changes: Change) -> PlannedPhase:
    steps = tuple(
        PlannedStep(id=StepId(name, change.target, "step"), title="step", changes=(change,), guards=())
        for change in changes
    )
    return PlannedPhase(name=name, title=title, strategy="serial, one at a time", steps=steps)


def _plan(*phases: PlannedPhase) -> Plan:
    return Plan(name="up", title="Bring the platform to what its specification says", phases=phases)


def test_a_plan(golden: Golden) -> None:
    """What comes is green, what changes is orange, what goes is red; nothing in it ends its block."""
    plan = _plan(
        _phase("hosts", "Bootstrap <new> hosts", Change("worker-3", Action.CREATE, "install everything")),
        _phase(
            "managers",
            "Change managers that serve",
            Change("manager-1", Action.UPDATE, "2026.10 -> 2026.11; restart etcd"),
            Change("manager-2", Action.RUN, "run ```evil```"),
        ),
        _phase("release", "Let hosts go that are empty", Change("worker-1", Action.DELETE, "worker worker-1")),
    )
    golden("cli/plan.md", plan_markdown.whole(plan) + "\n")


def test_nothing_to_do() -> None:
    """One line."""
    assert plan_markdown.whole(_plan()).startswith("**Moorage: nothing to do.**")


def test_what_does_not_fit_is_counted() -> None:
    """The sum at the top is of all of them."""
    many = [Change(f"worker-{number}", Action.CREATE, "x" * 100) for number in range(1000)]
    text = plan_markdown.whole(_plan(_phase("a", "A", many[0]), _phase("b", "B", *many), _phase("c", "C", many[1])))
    assert len(text) < 65_536
    assert text.startswith("**Moorage: 1002 to create.**")
    assert "And 1001 more changes" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_a_plan_says_what_it_costs(golden: Golden) -> None:
    """The sum is in sight, and so is what has no price; the parts are to be unfolded. In text all is in sight."""
    before = (Cost("cloud", "instance m7i.large", 1, 73.58),)
    after = (Cost("cloud", "instance m7i.large", 3, 220.75), Cost("cloud", "instance x9.large", 1, None))
    plan = _plan(_phase("hosts", "Provide hosts", Change("cloud", Action.CREATE, "host manager-2")))
    plan = replace(plan, costs=Costs(before, after, "USD", "2026-01-19"))
    golden("cli/plan-costs.md", plan_markdown.whole(plan) + "\n")
    golden("cli/plan-costs.txt", plan_text.whole(plan) + "\n")
    assert "instance x9.large" in plan_markdown.whole(replace(plan, phases=()))
    assert plan.digest == replace(plan, costs=None).digest

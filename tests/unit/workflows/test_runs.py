"""A platform that is held still while a plan runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from installer.core.errors import LockError
from installer.engine.events import StepReport
from installer.engine.failures import InterruptedRunError
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import NamedStep, Phase, Playbook, Selector
from installer.spec.specification import load
from installer.workflows import rollback, runs
from installer.workflows.session import Session
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions


@dataclass
class Hosts:
    """Three hosts; whoever changes the first pauses the platform."""

    session: Session
    done: list[str] = field(default_factory=list)

    def targets(self, selector: Selector) -> Sequence[Target]:
        return tuple(Target("host", name) for name in "abc")


class Step:
    title = "change"

    def plan(self, hosts: Hosts, target: Target) -> Sequence[Change]:
        return () if target.name in hosts.done else (Change(target.name, Action.UPDATE, "x"),)

    def run(self, hosts: Hosts, target: Target, report: StepReport) -> None:
        if not hosts.done:
            runs.pause(hosts.session).begin()
        hosts.done.append(target.name)


_PHASE: Phase[Hosts] = Phase(
    name="hosts", title="Hosts", on="hosts", strategy="serial", guards=(), steps=(NamedStep("step", Step()),)
)
_BOOK: Playbook[Hosts] = Playbook(name="up", title="Up", phases=(_PHASE,))


def test_a_pause_stops_before_the_next_step_and_lets_nothing_else_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs comes to its end; who goes back instead need not go on first."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    session = sessions.session(load(path), tmp_path)
    hosts = Hosts(session)
    with runs.locked(session, "up"), pytest.raises(InterruptedRunError) as caught:
        runs.run(session, _BOOK, "up", hosts)
    assert hosts.done == ["a"]
    assert caught.value.hint == "`moorage plan resume` goes on from here"
    with pytest.raises(LockError, match="paused by"), runs.locked(session, "up"):
        pass
    monkeypatch.setattr(rollback, "_playbook", lambda session: _BOOK)
    monkeypatch.setattr(runs, "run", lambda *_: "went back")
    assert rollback.rollback(session) == "went back"  # type: ignore[comparison-overlap]  # stands for its result
    with runs.locked(session, "up"):
        pass

"""One run at a time, from whichever machine, and no lock that outlives its holder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import pytest
from lightkube import Client

from installer.core.errors import InfrastructureError, LockError
from installer.engine import lock
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import NamedStep, Phase, Playbook, Selector
from installer.kubernetes.client import ApiUnavailableError
from installer.spec.specification import load
from installer.workflows import runs
from installer.workflows.claim import DURATION_S, RENEWS_S, Claim
from installer.workflows.session import Session
from tests.fakes.lease import LeaseApi
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions


def _claim(api: LeaseApi, identity: str) -> Claim:
    return Claim(identity, lambda: cast(Client, api), clock=api)


def test_it_is_anybodys_while_nobody_has_it() -> None:
    """At first, and after whoever had it came to an end."""
    api = LeaseApi()
    first = _claim(api, "one")
    first.begin()
    first.keep()
    assert api.holder == "one"
    first.end(release=True)
    _claim(api, "two").begin()
    assert (api.holder, api.time) == ("two", 0.0)


def test_one_that_lives_is_named_as_soon_as_that_shows() -> None:
    """It says so every few seconds; that its word is old says nothing, clocks differ."""
    api = LeaseApi()
    first = _claim(api, "ops@desk (process 7) with `moorage up`")
    first.begin()
    api.on_sleep = first.renew
    told: list[str] = []
    with pytest.raises(LockError, match="changed by ops@desk"):
        _claim(api, "two").begin(tell=told.append)
    assert api.time <= RENEWS_S
    assert "ops@desk" in told[0]
    assert api.holder.startswith("ops@desk")


def test_one_that_is_gone_is_followed() -> None:
    """Once it was silent for long enough; at once where it is known to be gone."""
    api = LeaseApi()
    _claim(api, "one").begin()
    _claim(api, "two").begin()
    assert api.holder == "two"
    assert DURATION_S < api.time <= DURATION_S + RENEWS_S
    before = api.time
    _claim(api, "three").begin(heir_of="two")
    assert (api.holder, api.time) == ("three", before)


def test_who_was_silent_for_too_long_knows_it() -> None:
    """And leaves the claim to whoever has it now."""
    api = LeaseApi()
    first = _claim(api, "one")
    first.begin()
    api.away = True
    first.renew()
    assert first.lost_to == ""
    api.away = False
    _claim(api, "two").begin()
    first.renew()
    assert first.lost_to == "two"
    first.keep()
    first.end(release=True)
    assert api.holder == "two"


def test_where_nobody_answers_it_is_taken_later() -> None:
    """A first `up` has no API to ask; a second run that comes meanwhile loses."""
    api = LeaseApi()
    answers: list[Exception | None] = [InfrastructureError("no such platform"), ApiUnavailableError("starting"), None]

    def connect() -> Client:
        if failed := answers.pop(0):
            raise failed
        return cast(Client, api)

    claim = Claim("one", connect, clock=api)
    claim.begin()
    claim.renew()
    assert api.held is None
    claim.renew()
    assert api.holder == "one"


@dataclass
class _Step:
    """Changes a host; with the second one another run takes the platform over, and this one is told."""

    session: Session
    api: LeaseApi
    title: str = "change"
    done: list[str] = field(default_factory=list)

    def targets(self, selector: Selector) -> Sequence[Target]:
        return tuple(Target("host", name) for name in "abc")

    def plan(self, step: _Step, target: Target) -> Sequence[Change]:
        return () if target.name in self.done else (Change(target.name, Action.UPDATE, "x"),)

    def run(self, step: _Step, target: Target, report: StepReport) -> None:
        self.done.append(target.name)
        if target.name == "b":
            self.api.held.spec.holderIdentity = "another"
            assert self.session.claim is not None
            self.session.claim.renew()


def test_a_run_that_lost_its_platform_begins_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs comes to its end; the error names the other."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    session, api = sessions.session(load(path), tmp_path), LeaseApi()
    monkeypatch.setattr(session, "api_as", lambda subject: cast(Client, api))
    step = _Step(session, api)
    phase: Phase[_Step] = Phase(
        name="hosts", title="Hosts", on="hosts", strategy="serial", guards=(), steps=(NamedStep("step", step),)
    )
    with pytest.raises(LockError, match="changed by another"), runs.locked(session, "up"):
        runs.run(session, Playbook(name="up", title="Up", phases=(phase,)), "up", step)
    assert step.done == ["a", "b"]
    assert api.holder == "another"


def test_who_has_no_api_any_more_leaves_the_claim() -> None:
    """A platform that was destroyed is asked nothing: that would only be waited for."""
    api = LeaseApi()
    first = _claim(api, "one")
    first.begin()
    first.keep()
    first.end(release=False)
    assert api.holder == "one"


def test_the_claim_of_a_run_that_was_killed_here_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of this machine knows that it is gone, so nobody waits for a sign of life."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    session, api = sessions.session(load(path), tmp_path), LeaseApi()
    monkeypatch.setattr(session, "api_as", lambda subject: cast(Client, api))
    gone = lock.Holder(user="ops", host="desk", pid=7, since="2026-11-23 12:00:00+00:00", command="moorage up")
    _claim(api, str(gone)).begin()
    folder = session.state.of(session.platform.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").write_text(json.dumps(asdict(gone)))
    told: list[str] = []
    monkeypatch.setattr(session.reporter, "report", lambda event: told.append(str(event)))
    with runs.locked(session, "up"):
        assert f"process {os.getpid()}" in api.holder
    assert [text for text in told if "sign of life" in text] == []
    assert "process 7" in told[0]

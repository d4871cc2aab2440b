"""New machines that do not answer at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import WaitTimeoutError
from installer.engine.events import Event, StepReport
from installer.spec.specification import load
from installer.transport.errors import HostKeyChangedError, LoginRefusedError, UnreachableError
from installer.workflows.await_hosts import await_logins
from installer.workflows.session import Session
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions


class Ticking:
    """A clock that only goes on while somebody sleeps."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Of a platform with one manager and two workers, all provided."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform(hosts="{name: m, role: manager}, {name: w, role: worker, count: 2}"))
    spec = load(path)
    return sessions.provided(spec, spec, tmp_path, {})


def _report(said: list[Event]) -> StepReport:
    return StepReport("provide-hosts", said.append)


def _answers(session: Session, monkeypatch: pytest.MonkeyPatch, connect: Callable[[str], Any]) -> list[str]:
    asked: list[str] = []

    def connection(name: str) -> Any:
        asked.append(name)
        return connect(name)

    monkeypatch.setattr(session, "connection", connection)
    return asked


def test_they_are_waited_for(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that were made; and whoever has let us in is not asked again."""
    clock = Ticking()

    def connect(name: str) -> None:
        if name == "w-2" and clock.seconds < 20:
            raise (UnreachableError if clock.seconds < 10 else LoginRefusedError)("not yet", host=name)

    asked = _answers(session, monkeypatch, connect)
    said: list[Event] = []
    await_logins(session, {"w-1", "w-2", "network"}, _report(said), clock)
    assert asked.count("w-1") == 1
    assert asked.count("w-2") == 11
    assert "m-1" not in asked
    assert "w-2" in str(said[-1])


def test_one_that_never_answers_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason, and what to do."""

    def connect(name: str) -> None:
        if name == "m-1":
            raise UnreachableError("cannot reach 192.0.2.1:22: timed out", host=name)

    _answers(session, monkeypatch, connect)
    with pytest.raises(WaitTimeoutError) as caught:
        await_logins(session, {"m-1", "w-1"}, _report([]), Ticking())
    assert "m-1: cannot reach 192.0.2.1:22: timed out" in caught.value.explain()
    assert "made anew by `moorage up`" in caught.value.explain()


def test_another_host_key_is_told_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting makes it the right one."""

    def connect(name: str) -> None:
        raise HostKeyChangedError("its host key is another", host=name)

    asked = _answers(session, monkeypatch, connect)
    with pytest.raises(HostKeyChangedError):
        await_logins(session, {"m-1"}, _report([]), Ticking())
    assert asked == ["m-1"]

"""Managers that serve are changed one at a time, and none after one that does not come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from installer.core.errors import GuardError, WaitTimeoutError
from installer.engine.events import StepReport
from installer.engine.plan import StepId, Target
from installer.hostops.facts import Manifest
from installer.spec.specification import load
from installer.workflows.session import Session
from installer.workflows.steps import configure_host
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

_RUNS = facts(manifest=Manifest(units={"etcd.service": "1"}))
_REPORT = StepReport(StepId("hosts", "t", "configure-host"), lambda event: None)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Three managers that serve; what is done to hosts does nothing."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    spec = load(path)
    names = ("manager-1", "manager-2", "manager-3", "worker-1", "worker-2")
    found = sessions.provided(spec, spec, tmp_path, dict.fromkeys(names, _RUNS))
    monkeypatch.setattr(found, "connection", lambda name: None)
    monkeypatch.setattr(found, "wanted", _Nothing())
    monkeypatch.setattr(configure_host.diff, "changes", lambda wanted, seen: ())
    monkeypatch.setattr(configure_host.apply, "apply", lambda *args, **kwargs: None)
    return found


class _Nothing:
    def __call__(self, name: str) -> None:
        return None

    def forget(self, name: str) -> None:
        return None


def _run(session: Session, host: str) -> None:
    configure_host.ConfigureHost().run(session, Target("host", host), _REPORT)


def test_a_manager_that_does_not_come_back_is_the_last(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others keep the quorum; workers go on."""

    def answers(found: Any, name: str, report: StepReport) -> None:
        if name == "manager-2":
            raise WaitTimeoutError("its API server is ready: not so after 180 s: connection refused")

    monkeypatch.setattr(configure_host, "await_api_server", answers)
    _run(session, "manager-1")
    with pytest.raises(WaitTimeoutError):
        _run(session, "manager-2")
    with pytest.raises(GuardError, match="not touched: manager manager-2 did not come back") as caught:
        _run(session, "manager-3")
    assert "mend manager-2" in caught.value.hint
    _run(session, "worker-1")

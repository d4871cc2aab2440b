"""Maintenance windows: what may begin, and what comes to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from installer.engine.plan import Target
from installer.spec.specification import load
from installer.workflows import host_drain, maintenance, preview
from installer.workflows.session import Session
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_change_host import on
from tests.unit.workflows.test_releases import NEW, OLD

_HOST = Target("host", "worker-1")


def _session(folder: Path, monkeypatch: pytest.MonkeyPatch, *, opens_in: int, drained: bool = False) -> Session:
    """Its window of an hour opens in so many minutes."""
    opens = datetime.now(UTC) + timedelta(minutes=opens_in)
    closes = opens + timedelta(hours=1)
    path = folder / "platform.yaml"
    window = f'{{opens: "{opens:%H:%M}", closes: "{closes:%H:%M}"}}'
    path.write_text(platform(spec=f"  upgrades: {{windows: [{window}]}}\n"))
    spec = load(path)
    monkeypatch.setattr(host_drain, "since", lambda session, name: "now" if drained else "")
    return sessions.provided(
        spec, spec, folder, {"worker-1": on(OLD.digest), "worker-2": on(OLD.digest, links_to=NEW.digest)}
    )


def test_nothing_begins_while_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts and clusters; it is said when it opens."""
    session = _session(tmp_path, monkeypatch, opens_in=90)
    for target in (_HOST, Target("cluster", "team-a")):
        assert "no maintenance window is open; the next one opens at" in str(maintenance.window(session, target))


def test_everything_may_begin_while_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an hour after it opened."""
    assert maintenance.window(_session(tmp_path, monkeypatch, opens_in=-30), _HOST) is None


def test_or_when_it_is_to_be_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name."""
    session = _session(tmp_path, monkeypatch, opens_in=90)
    session.ignore = frozenset({"maintenance-window"})
    assert maintenance.window(session, _HOST) is None


def test_the_plan_asks_for_it_wherever_what_serves_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where hosts come, or something merely starts."""
    phases = preview.up_playbook(_session(tmp_path, monkeypatch, opens_in=90)).phases
    asking = [phase.name for phase in phases if maintenance.NAME in [guard.name for guard in phase.guards]]
    assert asking == ["managers", "workers", "dedicated"]


def test_what_is_under_way_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is emptied is changed and opened; one that is half changed becomes whole."""
    assert maintenance.window(_session(tmp_path, monkeypatch, opens_in=90, drained=True), _HOST) is None
    half = _session(tmp_path, monkeypatch, opens_in=90)
    assert maintenance.window(half, Target("host", "worker-2")) is None

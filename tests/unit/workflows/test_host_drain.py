"""A host that does not get empty in time: left as it is, or emptied by force where the specification says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.core.errors import WaitTimeoutError
from installer.engine.events import Event, Note, StepReport
from installer.engine.plan import StepId
from installer.spec.specification import load
from installer.workflows import host_drain
from installer.workflows.session import Session
from tests.unit.engine.world import FakeClock
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions


class World:
    """One host with a pod that a budget protects for ever."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, upgrades: str) -> None:
        path = folder / "platform.yaml"
        path.write_text(platform(spec=f"  upgrades: {{{upgrades}}}\n"))
        before = load(path)
        path.write_text(path.read_text().replace("role: worker, count: 2", "role: worker, count: 1"))
        self.session = sessions.provided(before, load(path), folder, {})
        assert set(self.session.leaving) == {"worker-2"}
        meta = SimpleNamespace(name="web-1", namespace="shop", labels={}, deletionTimestamp=None)
        self.pods: list[Any] = [SimpleNamespace(metadata=meta)]
        self.notes: list[str] = []
        self.session.api = SimpleNamespace(delete=self._delete)  # type: ignore[assignment]
        monkeypatch.setattr(host_drain, "leaving", lambda session, name: self.pods)
        monkeypatch.setattr(host_drain, "_evict", lambda api, pod: "its budget allows none to go")
        monkeypatch.setattr(host_drain, "SystemClock", FakeClock)

    def _delete(self, kind: Any, name: str, namespace: str) -> None:
        self.pods = [pod for pod in self.pods if (pod.metadata.namespace, pod.metadata.name) != (namespace, name)]

    def drain(self, host: str = "worker-1") -> Session:
        def emit(event: Event) -> None:
            if isinstance(event, Note):
                self.notes.append(event.text)

        report = StepReport(StepId("workers", "worker-1", "drain-host"), emit)
        host_drain.await_empty(self.session, host, report)
        return self.session


@pytest.mark.parametrize("host", ["worker-1", "worker-2"])
def test_nothing_is_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The error names what is there still, and why; the same for a host that the specification no longer has."""
    world = World(tmp_path, monkeypatch, "drainTimeout: 5s")
    with pytest.raises(WaitTimeoutError, match=r"still there: shop/web-1 \(its budget allows none to go\)"):
        world.drain(host)
    assert len(world.pods) == 1


def test_unless_the_specification_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its time, and it is told."""
    world = World(tmp_path, monkeypatch, "drainTimeout: 5s, forceDrain: true")
    world.drain()
    assert world.pods == []
    assert "forced" in world.notes[0]
    assert "shop/web-1" in world.notes[0]

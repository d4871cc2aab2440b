"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.playbook import Playbook, load
from tests.unit.engine.world import GUARDS, STEPS, FakeClock, Recorder, World

PlaybookOf = Callable[[str], Playbook[World]]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", command="up")


@pytest.fixture
def playbook_of(tmp_path: Path) -> PlaybookOf:
    """Makes a playbook of the text of its phases."""

    def make(phases: str) -> Playbook[World]:
        file = tmp_path / "playbook.yaml"
        file.write_text(f"name: up\ntitle: Up\nphases:\n{phases}")
        return load(file, steps=STEPS, guards=GUARDS)

    return make

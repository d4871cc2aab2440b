"""Fixtures of the command line's tests: a command that is run in this process, on workflows that do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.cli import main
from installer.spec.starter import starter


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


Moorage = Callable[..., Result]


@pytest.fixture
def moorage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Moorage:
    """Runs a command in an empty directory, 100 columns wide, without the caller's environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("MOORAGE_STATE", "NO_COLOR", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main.run(arguments)
        return Result(int(code), *capsys.readouterr())

    return run


@dataclass
class FakeSessions:
    """Stands for open_session; keeps what it was opened with."""

    opened: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0

    @contextmanager
    def open_session(self, spec: Any, **options: Any) -> Iterator[Any]:
        self.opened.append({"spec": spec, **options})
        yield SimpleNamespace(platform=spec.platform, provided=None)
        self.closed += 1


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSessions:
    """Sessions on the local starter, which stands in the directory of the command."""
    (tmp_path / "platform.yaml").write_text(starter("local"))
    fake = FakeSessions()
    monkeypatch.setattr("installer.workflows.session.open_session", fake.open_session)
    return fake

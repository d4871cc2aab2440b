"""Where nothing can be built: an imported bundle is enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from installer.bundle import build, golang, python
from installer.bundle.errors import ToolMissingError
from installer.bundle.release import load_release
from tests.unit.bundle.test_bundle import damage, make


@pytest.fixture(autouse=True)
def without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has no Go."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    golang._go_version.cache_clear()


def test_an_imported_bundle_needs_no_tools(tmp_path: Path) -> None:
    """It is whole and of this Moorage, so there is nothing to build."""
    imported = replace(make(tmp_path, bin__etcd="etcd"), sources=python.sources_digest())
    imported.save()
    assert build.build(load_release("2026.11"), cache=tmp_path).digest == imported.digest


def test_a_bundle_of_another_moorage_has_to_be_built(tmp_path: Path) -> None:
    """And Go is missing for that."""
    made = make(tmp_path, bin__etcd="etcd")
    made.save()
    assert not build.is_current(made)
    with pytest.raises(ToolMissingError, match="go is not installed"):
        build.build(load_release("2026.11"), cache=tmp_path)


def test_a_damaged_bundle_has_to_be_built(tmp_path: Path) -> None:
    """Of its file, nothing can be told but that it is wrong."""
    imported = replace(make(tmp_path, bin__etcd="etcd"), sources=python.sources_digest())
    imported.save()
    damage(imported.path("bin/etcd"), b"dcte")
    with pytest.raises(ToolMissingError):
        build.build(load_release("2026.11"), cache=tmp_path)

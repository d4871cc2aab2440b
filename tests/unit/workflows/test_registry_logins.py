"""Logins from the operator's environment and files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.core.errors import SpecError
from installer.core.secret import Secret
from installer.workflows import registry_logins
from tests.unit.kubernetes import fixed


def login(secret: str, password: str) -> dict[str, Any]:
    return {"secret": secret, "username": {"env": "MIRROR_USER"}, "password": {"file": password}}


def given(tmp_path: Path, *logins: dict[str, Any]) -> Any:
    entries = [{"name": f"r{index}.example", "credentials": one} for index, one in enumerate(logins)]
    session: Any = SimpleNamespace(spec=SimpleNamespace(directory=tmp_path))
    return registry_logins.given(session, fixed.cluster(registries=entries))


def test_they_are_read_where_the_specification_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Secret that the specification only names is somebody else's to write."""
    monkeypatch.setenv("MIRROR_USER", "robot")
    (tmp_path / "word").write_text("open\n")
    found = given(tmp_path, login("a", "word"), login("a", "word"), {"secret": "b"})
    assert found == {"a": {"username": Secret("robot"), "password": Secret("open")}}
    assert "open" not in repr(found)


def test_one_secret_holds_one_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names cluster, server and Secret, never a value."""
    monkeypatch.setenv("MIRROR_USER", "robot")
    (tmp_path / "one").write_text("open")
    (tmp_path / "two").write_text("sesame")
    with pytest.raises(SpecError, match=r"team-a: the login of r1\.example .* Secret a") as caught:
        given(tmp_path, login("a", "one"), login("a", "two"))
    assert "sesame" not in caught.value.explain()


def test_what_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is changed."""
    monkeypatch.delenv("MIRROR_USER", raising=False)
    with pytest.raises(SpecError, match="MIRROR_USER is not set"):
        given(tmp_path, login("a", "one"))

"""Fixtures of the specification's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from installer.core.errors import SpecError
from installer.spec.specification import Specification, load
from installer.spec.subject import Offer

Write = Callable[[str], Path]
FaultsOf = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a platform.yaml and gives its path."""

    def make(text: str) -> Path:
        path = tmp_path / "platform.yaml"
        path.write_text(text)
        return path

    return make


@pytest.fixture
def faults_of(write: Write) -> FaultsOf:
    """The faults of a text, without the directory and in order; empty when it loads."""

    def find(text: str, offer: Offer | None = None) -> list[str]:
        path = write(text)
        try:
            load(path, offer=offer)
        except SpecError as exc:
            return [line.strip().removeprefix(f"{path}:") for line in exc.what.splitlines()[1:]]
        return []

    return find


def load_text(write: Write, text: str) -> Specification:
    """The specification of a text that is right."""
    return load(write(text))

"""What all tests share: golden files, so that review shows every changed line of generated text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_DIRECTORY = Path(__file__).parent / "golden"

Golden = Callable[[str, str], None]


@pytest.fixture
def golden() -> Golden:
    """`golden("cli/help.txt", text)` fails where text differs from the file; GOLDEN=update writes it instead."""

    def check(name: str, text: str) -> None:
        path = _DIRECTORY / name
        if os.environ.get("GOLDEN") == "update":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}; GOLDEN=update pytest writes it"
        assert text == path.read_text(encoding="utf-8")

    return check

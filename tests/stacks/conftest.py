"""A trial stack with its fake provider, for every test of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.provider import FakeProvider, served
from tests.stacks.harness import Trial


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """A stack that does not exist yet. In the end the provider must have nothing to complain about."""
    provider = FakeProvider()
    with served(provider) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"fake:{port}")
        yield Trial(tmp_path, provider)
    assert provider.wrong == []

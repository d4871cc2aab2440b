"""The first example under another name, which the tests of one file share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.platform_under_test import PlatformUnderTest

_EXAMPLE = Path(__file__).parents[2] / "examples" / "01-local" / "platform.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is end to end."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    """examples/01-local, brought up; taken down without a trace in the end."""
    assert os.getuid() == 0, "local hosts need root"
    assert shutil.which("podman"), "local hosts need podman"
    folder = tmp_path_factory.mktemp("example")
    text = _EXAMPLE.read_text()
    assert "name: harbor" in text
    (folder / "platform.yaml").write_text(text.replace("name: harbor", "name: t-example"))
    platform = PlatformUnderTest("t-example", folder)
    try:
        platform.must("up", "--yes", timeout_s=900)
        yield platform
    finally:
        platform.take_down()

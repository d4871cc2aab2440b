"""The first example under another name, and an image in its clusters, which the tests of this folder share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import images
from tests.e2e.platform_under_test import PlatformUnderTest

_EXAMPLE = Path(__file__).parents[3] / "examples" / "01-local" / "platform.yaml"


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def answer(tmp_path_factory: pytest.TempPathFactory) -> images.Image:
    """An image with programs/answer."""
    return images.build("answer", tmp_path_factory.mktemp("answer"), "tar")


@pytest.fixture(scope="package")
def answering_image(example: PlatformUnderTest, answer: images.Image) -> str:
    """The reference of that image, which every node of both clusters has."""
    for cluster in ("team-a", "team-b"):
        answer.bring(example, cluster)
    return answer.reference

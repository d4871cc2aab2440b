"""The first example under another name, and an image in its clusters, which the tests of this folder share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.bundle import archive
from tests.e2e.platform_under_test import PlatformUnderTest

_EXAMPLE = Path(__file__).parents[3] / "examples" / "01-local" / "platform.yaml"
_PROGRAMS = Path(__file__).parents[1] / "programs"


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


@dataclass(frozen=True)
class Image:
    """An image as an archive; its reference."""

    reference: str
    content: bytes

    def bring(self, example: PlatformUnderTest, cluster: str) -> None:
        """Put it into the containerd of every node of a cluster."""
        pods = example.kubectl(
            "manager", "-n", f"cluster-{cluster}", "get", "pods", "-l", "moorage.dev/part=node", "-o", "name"
        )
        for pod in pods.stdout.decode().split():
            ctr = ["/opt/moorage/current/bin/ctr", "-n", "k8s.io", "images", "import", "-"]
            example.kubectl("manager", "-n", f"cluster-{cluster}", "exec", "-i", pod, "--", *ctr, stdin=self.content)


def build(name: str, folder: Path, *links: str) -> Image:
    """An image with programs/NAME as its entry point, also under the names in `links`, below /bin."""
    program = folder / "root" / name
    subprocess.run(
        ["go", "build", "-o", str(program), "."],
        cwd=_PROGRAMS / name,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
        timeout=300,
    )
    (folder / "root" / "bin").mkdir()
    for link in links:
        shutil.copy(program, folder / "root" / "bin" / link)
    archive.write_layer(folder / "layer.tar", [folder / "root"])
    config = archive.ImageConfig(entrypoint=(f"/{name}",))
    reference = archive.write_image(folder / "image.tar", name, "amd64", config, folder / "layer.tar")
    return Image(reference, (folder / "image.tar").read_bytes())


@pytest.fixture(scope="package")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image with programs/answer."""
    return build("answer", tmp_path_factory.mktemp("answer"), "tar")


@pytest.fixture(scope="package")
def answering_image(example: PlatformUnderTest, answer: Image) -> str:
    """The reference of that image, which every node of both clusters has."""
    for cluster in ("team-a", "team-b"):
        answer.bring(example, cluster)
    return answer.reference

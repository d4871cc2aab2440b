"""Images of the programs beside this file, built here and brought to the nodes of clusters."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from installer.bundle import archive
from tests.e2e.platform_under_test import PlatformUnderTest

_PROGRAMS = Path(__file__).parent / "programs"


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

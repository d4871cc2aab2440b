"""Images made of real packages and wheels: they need a Debian mirror and PyPI, and mmdebstrap."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from installer.bundle import archive, debian, images, python
from installer.bundle.recipe import Item
from installer.bundle.release import load_release

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the programs of an amd64 image are run"),
]


def quiet(detail: str, share: float) -> None:
    """Progress is not what is tested here."""


class Making:
    """Items of the release's images, each made when it is first asked for, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items = images.items(load_release("2026.11"), arch="amd64")
        self.made: dict[str, Path] = {}

    def output(self, output: str) -> Path:
        if output not in self.made:
            item = next(item for item in self._items if output in item.outputs)
            for need in item.needs:
                self.output(need)
            self._make(item)
        return self.made[output]

    def tree(self, output: str) -> Path:
        """The output, which is a layer, unpacked."""
        tree = self._folder / "trees" / output
        if not tree.exists():
            debian.extract(self.output(output), tree)
        return tree

    def _make(self, item: Item) -> None:
        folder = self._folder / item.title.replace(" ", "-")
        folder.mkdir(parents=True)
        item.recipes[0].make(folder, self.made, quiet)
        self.made |= {output: folder / output for output in item.outputs}


@pytest.fixture(scope="module")
def making(tmp_path_factory: pytest.TempPathFactory) -> Making:
    return Making(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Making:
    return Making(tmp_path_factory.mktemp("the-same-images-in-another-directory"))


@pytest.mark.parametrize("name", ["node", "controller"])
def test_an_image_that_is_made_twice_is_the_same(making: Making, again: Making, name: str) -> None:
    """To the byte, compiled modules included; so its reference is, too."""
    one, other = making.output(f"images/{name}.tar"), again.output(f"images/{name}.tar")
    assert archive.reference(one) == archive.reference(other)
    assert one.read_bytes() == other.read_bytes()


def test_a_node_has_the_tools_that_its_programs_call(making: Making) -> None:
    """Each of them starts with the libraries that are in the image."""
    tree = making.tree("parts/debian/node.tar")
    calls: Mapping[str, list[str]] = {
        "sh": ["-c", "echo $((1 + 1))"],
        "awk": ["BEGIN {print 2}"],
        "mount": ["--version"],
        "umount": ["--version"],
        "findmnt": ["--version"],
        "nsenter": ["--version"],
        "nproc": [],
        "ip": ["-V"],
        "nft": ["--version"],
        "iptables": ["--version"],
        "conntrack": ["--version"],
        "ethtool": ["--version"],
        "modprobe": ["--version"],
        "sysctl": ["--version"],
        "grep": ["--version"],
        "sed": ["--version"],
        "find": ["--version"],
    }
    for name, args in calls.items():
        run = subprocess.run(_inside(tree, name, *args), capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{name}: {run.stderr}"


def test_images_are_small(making: Making) -> None:
    """They are brought to every host, and imported into every node pod's host."""
    assert making.output("images/node.tar").stat().st_size < 60e6
    assert making.output("images/controller.tar").stat().st_size < 120e6


def test_images_have_the_certificates_of_trusted_authorities(making: Making) -> None:
    """One file of many certificates, at the place where Debian has it."""
    for tree in (making.tree("parts/debian/node.tar"), making.tree("parts/python/base.tar")):
        assert (tree / debian.CA_BUNDLE).read_text().count("BEGIN CERTIFICATE") > 50


def test_the_controller_has_every_module_that_it_imports(making: Making) -> None:
    """With the interpreter, the wheels and the files of ours that are in its image, and nothing of this machine."""
    base, ours = making.tree("parts/python/base.tar"), making.tree("parts/python/controller.tar")
    modules = sorted(
        ".".join(file.relative_to(ours / python.HOME).with_suffix("").parts)
        for file in (ours / python.HOME / "installer/controller").rglob("*.py")
        if file.stem not in {"__init__", "__main__"}
    )
    assert modules
    # The release's data is read, too: it is no module, so no import would miss it.
    code = f"import {', '.join(modules)}; from installer.bundle.release import releases; print(len(releases()))"
    env = {"PYTHONHOME": str(base / "usr"), "PYTHONPATH": f"{ours / python.HOME}:{base / python.HOME}"}
    run = subprocess.run(
        [*_inside(base, "python3.13"), "-B", "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 2


def test_the_controllers_modules_are_compiled_for_their_place_in_the_image(making: Making) -> None:
    """It starts without compiling, and its tracebacks name files that are there."""
    ours = making.tree("parts/python/controller.tar") / python.HOME / "installer"
    sources = list(ours.rglob("*.py"))
    compiled = {file.name.split(".")[0] for file in ours.rglob("*.pyc")}
    assert {file.stem for file in sources} == compiled
    one = next(ours.glob("core/__pycache__/errors.*.pyc")).read_bytes()
    assert f"/{python.HOME}/installer/core/errors.py".encode() in one
    assert os.fsencode(making._folder) not in one


def _inside(tree: Path, program: str, *args: str) -> list[str]:
    """The call of a program of `tree` with its own loader and libraries, without being root."""
    libraries = tree / "usr/lib/x86_64-linux-gnu"
    found = next(tree / folder / program for folder in ("usr/bin", "usr/sbin") if (tree / folder / program).exists())
    argv0 = ["--argv0", program]
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), *argv0, str(found), *args]

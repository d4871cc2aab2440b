"""Python for the controller's image: Debian's interpreter with pinned wheels, and Moorage's own modules on top."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.bundle import archive, debian
from installer.bundle.errors import ToolMissingError
from installer.bundle.recipe import Made, Progress, digest
from installer.bundle.store import digest_of
from installer.core.errors import BundleError

HOME: Final = "opt/moorage-controller"  # in the image; wheels and our modules, on PYTHONPATH
REQUIREMENTS: Final = Path(__file__).parent / "controller-requirements.txt"
_INSTALLER: Final = Path(__file__).parents[1]
# What the controller imports, and nothing that needs Pulumi, SSH or a terminal.
_OURS: Final = ("controller", "core", "kubernetes", "spec", "bundle/releases")
_OURS_ALONE: Final = ("__init__.py", "bundle/__init__.py", "bundle/release.py")
_SUFFIXES: Final = frozenset({".py", ".yaml", ".json", ".sh"})
_VERSION: Final = "3.13"  # of Debian trixie
_PACKAGES: Final = ("base-files", "base-passwd", "ca-certificates", "python3")
_STDLIB: Final = f"usr/lib/python{_VERSION}"
_PRUNED: Final = (
    *(f"{_STDLIB}/{name}" for name in ("test", "idlelib", "ensurepip", "pydoc_data", "turtledemo", "tkinter", "venv")),
    f"{_STDLIB}/config-{_VERSION}-*",
    f"{_STDLIB}/_pyrepl",
    f"{_STDLIB}/lib-dynload/_dbm*",
    "usr/lib/*-linux-gnu/libdb-*",
    "usr/bin/openssl",
    "usr/bin/py3*",
    "usr/bin/pydoc*",
    "usr/bin/pygettext*",
    "usr/lib/ssl/misc/*",
    "usr/share/python3/*",
    "usr/share/applications/*",
    "usr/share/terminfo/*",
    "usr/share/gcc/*",
)
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBCS: Final = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")  # trixie has 2.41
_TAIL: Final = 15


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """The interpreter and every wheel, compiled; it changes only with a release or with the requirements."""

    output: str
    suite: str
    arch: str

    def key(self, made: Made) -> str:
        wanted = [
            self.suite,
            self.arch,
            _PACKAGES,
            debian.PRUNED,
            _PRUNED,
            digest_of(REQUIREMENTS),
            _compiles(self.arch),
        ]
        return digest("python", archive.FORMAT, wanted)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress(f"packages of Debian {self.suite}", 0.0)
        tree = folder / "tree"
        debian.make_tree(tree, _PACKAGES, self.suite, self.arch, pruned=_PRUNED, links={})
        progress("wheels", 0.3)
        _install_wheels(tree / HOME, self.arch)
        progress("compiling", 0.6)
        if _compiles(self.arch):
            _compile(tree, [f"/{_STDLIB}", f"/{HOME}"], tree)
        _write(folder / self.output, tree)


@dataclass(frozen=True, kw_only=True)
class ControllerRecipe:
    """Moorage's modules that the controller imports, compiled."""

    output: str
    base: str  # output of the BaseRecipe, whose interpreter compiles
    arch: str

    def key(self, made: Made) -> str:
        return digest("controller", archive.FORMAT, sources_digest(), made[self.base].name, _compiles(self.arch))

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress("modules", 0.0)
        tree = folder / "tree"
        for file in sources():
            target = tree / HOME / "installer" / file.relative_to(_INSTALLER)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        if _compiles(self.arch):
            base = folder / "base"
            debian.extract(made[self.base], base)
            _compile(base, [f"/{HOME}/installer"], tree)
        _write(folder / self.output, tree)


def sources() -> Iterator[Path]:
    """The files of this package that the controller's image has."""
    yield from (_INSTALLER / name for name in _OURS_ALONE)
    for folder in _OURS:
        for file in sorted((_INSTALLER / folder).rglob("*")):
            if file.suffix in _SUFFIXES and file.is_file():
                yield file


def sources_digest() -> str:
    """One digest over those files."""
    return digest({str(file.relative_to(_INSTALLER)): digest_of(file) for file in sources()})


def _install_wheels(target: Path, arch: str) -> None:
    platforms = [f"--platform={glibc}_{_MACHINES[arch]}" for glibc in _GLIBCS]
    exact = ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--python-version={_VERSION}", *platforms]
    quiet = ["--quiet", "--no-compile", "--disable-pip-version-check", "--no-warn-script-location"]
    argv = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *quiet,
        *exact,
        f"--target={target}",
        f"--requirement={REQUIREMENTS}",
    ]
    hint = "install pip beside Moorage, or `moorage bundle import` a bundle made elsewhere"
    _run(argv, "the controller's wheels cannot be installed", hint)
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/*"):
        if record.name in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}:
            record.unlink()  # they name this machine's paths


def _compiles(arch: str) -> bool:
    """Whether this machine can run the image's interpreter. Without compiled modules the controller starts slower."""
    return platform.machine() == _MACHINES[arch]


def _compile(interpreter: Path, folders: Sequence[str], tree: Path) -> None:
    """Compile modules of `tree` for their place in the image, with the Python that is unpacked at `interpreter`."""
    machine = platform.machine()
    loader = next((interpreter / f"usr/lib/{machine}-linux-gnu").glob("ld-linux*"))
    program = [str(loader), "--library-path", str(loader.parent), str(interpreter / f"usr/bin/python{_VERSION}")]
    here = [str(tree) + folder for folder in folders]
    options = ["-q", "-f", "--invalidation-mode=unchecked-hash", "-s", str(tree), "-p", "/"]
    # No hash is random and no module is loaded from a cache, so that equal sources compile to equal bytes.
    env = {"PATH": os.environ.get("PATH", ""), "PYTHONHOME": str(interpreter / "usr"), "PYTHONHASHSEED": "0"}
    argv = [*program, "-S", "-B", "-m", "compileall", *options, *here]
    _run(argv, "the controller's modules cannot be compiled", "repeat the command", env)


def _run(argv: Sequence[str], failure: str, hint: str, env: dict[str, str] | None = None) -> None:
    result = subprocess.run(["nice", "-n", "10", *argv], capture_output=True, text=True, check=False, env=env)
    if "No module named pip" in result.stderr:
        raise ToolMissingError("pip is not installed for the Python that runs Moorage", hint=hint)
    if result.returncode:
        lines = (result.stdout + result.stderr).splitlines()[-_TAIL:]
        raise BundleError(failure, command=shlex.join(argv), status=result.returncode, last_lines=lines, hint=hint)


def _write(target: Path, tree: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    archive.write_layer(target, [tree])

"""Builds programs from Go modules that are pinned by a go.mod and go.sum of ours."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TextIO

from installer.bundle.components import Cgo, Component
from installer.bundle.errors import ToolMissingError
from installer.bundle.recipe import Made, Progress, digest
from installer.bundle.store import digest_of
from installer.core import cache as caching
from installer.core.errors import BundleError

PROGRAMS: Final = Path(__file__).parent / "programs"
_MACHINE: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_CROSS_GCC: Final = {"amd64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc"}
_GO_HINT: Final = "`apt-get install golang-go`, or a newer one from https://go.dev/dl"
_TAIL: Final = 15


@dataclass(frozen=True)
class GoRecipe:
    """A component built from source; equal inputs give equal bytes on every machine."""

    component: Component
    arch: str
    programs: Path = PROGRAMS  # where its module is

    def key(self, made: Made) -> str:
        files = {file.name: digest_of(file) for file in sorted(self._module.iterdir()) if not _is_test(file)}
        compiler = _compiler_version(_gcc(self.arch)) if self.component.source.cgo else ""
        source = self.component.source.model_dump()
        tests = [tests] if (tests := source.pop("tests")) else []
        return digest("go", source, self.arch, files, _go_version(self._module), compiler, *tests)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        with _users_of_caches(caching.root()) as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self._make(folder, progress)

    def _make(self, folder: Path, progress: Progress) -> None:
        if self.component.source.cgo:
            _check_tools(self.component.source.cgo, _gcc(self.arch))
        env = self._env(folder)
        total = len(_run(["go", "list", "-deps", *self._packages], self._module, env, title=self.component.title))
        done = 0

        def built(package: str) -> None:
            nonlocal done
            done += 1
            progress(package, min(1.0, done / total))

        out = folder / "go"
        out.mkdir()
        argv = ["nice", "-n", "10", "go", "build", "-v", *self._flags, "-o", f"{out}/", *self._packages]
        _run(argv, self._module, env, title=self.component.title, on_line=built)
        for output, package in self.component.source.packages.items():
            target = folder / output
            target.parent.mkdir(parents=True, exist_ok=True)
            (out / program_name(package, self._module / "go.mod")).replace(target)
        for output, package in self.component.source.tests.items():
            progress(f"tests of {package}", 1.0)
            target = folder / output
            target.parent.mkdir(parents=True, exist_ok=True)
            argv = ["nice", "-n", "10", "go", "test", "-c", *self._flags, "-o", str(target), package]
            _run(argv, self._module, env, title=self.component.title)

    @property
    def _module(self) -> Path:
        return self.programs / self.component.source.module

    @property
    def _packages(self) -> list[str]:
        return list(self.component.source.packages.values())

    @property
    def _flags(self) -> list[str]:
        source = self.component.source
        linker = ["-s", "-w", "-buildid=", *(f"-X {name}={value}" for name, value in sorted(source.variables.items()))]
        if source.cgo:
            linker += ["-linkmode=external", "-extldflags=-static"]  # it runs on hosts with any C library, or none
        return ["-trimpath", f"-tags={','.join(source.tags)}", f"-ldflags={' '.join(linker)}"]

    def _env(self, folder: Path) -> dict[str, str]:
        return {
            **os.environ,
            **caches(caching.root()),
            "GOOS": "linux",
            "GOARCH": self.arch,
            "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
            "GOWORK": "off",
            "CGO_ENABLED": "1" if self.component.source.cgo else "0",
            "CC": _gcc(self.arch),
        }


def caches(cache: Path) -> dict[str, str]:
    """Go's own caches: yours where you named them, else below `cache`, where they go away with the last build."""
    ours = {"GOCACHE": cache / "go" / "build", "GOMODCACHE": cache / "go" / "modules"}
    return {name: os.environ.get(name) or str(path) for name, path in ours.items()}


def discard_caches(cache: Path) -> None:
    """Remove what Go builds left below `cache`: gigabytes that only another build of the same would use.

    Where another moorage builds at this moment it needs them, and removes them when it is done.
    """
    with _users_of_caches(cache) as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(cache / "go", ignore_errors=True)


def _users_of_caches(cache: Path) -> TextIO:
    """The file that whoever builds holds a shared lock of, for as long as it is open."""
    path = cache / "locks" / "go"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w")


def program_name(package: str, go_mod: Path) -> str:
    """The file that `go build` makes of a package: the last part of its path that is not a major version."""
    if package == ".":
        package = next(line.split()[1] for line in go_mod.read_text().splitlines() if line.startswith("module "))
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[0-9]+", parts[-1]) else parts[-1]


def _is_test(file: Path) -> bool:
    return file.name.endswith("_test.go") or not file.is_file()


def _gcc(arch: str) -> str:
    return "gcc" if _MACHINE.get(platform.machine()) == arch else _CROSS_GCC[arch]


def _check_tools(needs: Cgo, gcc: str) -> None:
    """Raise ToolMissingError that names every Debian package to install."""
    programs = {gcc: "gcc libc6-dev" if gcc == "gcc" else f"gcc-{gcc.removesuffix('-gcc')}", **needs.programs}
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if shutil.which("pkg-config"):
        known = {name: subprocess.run(["pkg-config", "--exists", name], check=False) for name in needs.libraries}
        missing += [needs.libraries[name] for name, result in known.items() if result.returncode]
    else:
        missing += needs.libraries.values()
    if missing:
        raise ToolMissingError(
            f"to build this, Debian packages are missing: {' '.join(missing)}",
            hint=f"`apt-get install {' '.join(missing)}`",
        )


@cache
def _go_version(module: Path) -> str:
    return _output(["go", "env", "GOVERSION"], "go", cwd=module)


@cache
def _compiler_version(gcc: str) -> str:
    return _output([gcc, "-dumpfullversion"], gcc)


def _output(argv: Sequence[str], program: str, cwd: Path | None = None) -> str:
    try:
        return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        hint = _GO_HINT if program == "go" else "`apt-get install gcc libc6-dev`"
        raise ToolMissingError(f"{program} is not installed; builds from source need it", hint=hint) from None
    except subprocess.CalledProcessError as exc:
        raise BundleError(
            f"{program} does not work",
            command=shlex.join(argv),
            status=exc.returncode,
            last_lines=exc.stderr.splitlines()[-_TAIL:],
            hint=_GO_HINT,
        ) from exc


def _run(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    *,
    title: str,
    on_line: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """All lines that a command prints; it ends with us, and BundleError tells its last lines when it fails."""
    lines: list[str] = []
    with subprocess.Popen(argv, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        try:
            for line in run.stdout or ():
                lines.append(line.rstrip())
                on_line(lines[-1])
        except BaseException:
            run.terminate()
            raise
    if run.returncode:
        raise BundleError(
            f"{title} does not build from source",
            command=shlex.join(argv),
            status=run.returncode,
            last_lines=lines[-_TAIL:],
            cause=_cause(lines),
            hint="repeat the command: it goes on where it stopped",
        )
    return lines


def _cause(lines: Sequence[str]) -> str:
    text = "\n".join(lines[-_TAIL:])
    if "dial tcp" in text or "no such host" in text or "403 Forbidden" in text:
        return "the Go module proxy cannot be reached or does not have a module (`go env GOPROXY`)"
    if "requires go >=" in text:
        return "this Go is too old and may not fetch a newer one (`go env GOTOOLCHAIN`)"
    if "no space left on device" in text:
        return "the disk is full; building all of Kubernetes needs about 10 GB below the cache (MOORAGE_CACHE)"
    return "signal: killed: out of memory" if "signal: killed" in text else ""

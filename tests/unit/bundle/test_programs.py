"""Programs of our own: what a change of them makes anew, and their tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from installer.bundle import golang
from installer.bundle.components import component
from installer.core.errors import BundleError

OURS = ("moorage-host", "moorage-datastore", "flanneld", "pause", "coredns-1.14.7")
_ENV = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")


@pytest.fixture
def pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module of pause, copied to where it may be changed."""
    shutil.copytree(golang.PROGRAMS / "pause", tmp_path / "pause")
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))
    known = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("GOCACHE", known)  # Go's own library is compiled there
    return tmp_path / "pause"


def recipe_of(pause: Path) -> golang.GoRecipe:
    return golang.GoRecipe(component("pause", "", arch="amd64"), "amd64", pause.parent)


@needs_go
@pytest.mark.parametrize(("file", "changes"), [("main.go", True), ("go.mod", True), ("main_test.go", False)])
def test_a_change_of_a_module_is_another_build(pause: Path, file: str, changes: bool) -> None:
    """A change of its tests is not."""
    recipe = recipe_of(pause)
    before = recipe.key({})
    with (pause / file).open("a") as target:
        target.write("\n// changed\n")
    assert (recipe.key({}) != before) == changes


@needs_go
@pytest.mark.slow
def test_a_program_is_built_to_equal_bytes_in_any_directory(pause: Path, tmp_path: Path) -> None:
    """So that a digest says the same everywhere."""
    recipe = recipe_of(pause)
    seen: list[tuple[str, float]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        recipe.make(tmp_path / name, {}, lambda package, share: seen.append((package, share)))
    assert (tmp_path / "one/parts/pause").read_bytes() == (tmp_path / "two/parts/pause").read_bytes()
    assert all(0 < share <= 1 for _, share in seen)


@needs_go
@pytest.mark.slow
def test_what_does_not_build_is_told_with_its_last_lines(pause: Path, tmp_path: Path) -> None:
    """The compiler's own words."""
    (pause / "main.go").write_text("package main\n\nfunc main() { undefinedThing() }\n")
    recipe = recipe_of(pause)
    with pytest.raises(BundleError, match="pause does not build from source") as caught:
        recipe.make(tmp_path, {}, lambda package, share: None)
    assert any("undefined: undefinedThing" in line for line in caught.value.last_lines)
    assert caught.value.status == 1


@needs_go
@pytest.mark.slow
@pytest.mark.parametrize("name", ["moorage-host", "moorage-datastore", "pause"])
def test_our_programs_pass_their_own_tests(name: str) -> None:
    """`go vet` and `go test`, from the caches that the build has."""
    folder = golang.PROGRAMS / name
    for argv in (["go", "vet", "./..."], ["go", "test", "./..."]):
        run = subprocess.run(argv, cwd=folder, env=_ENV, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="gofmt is not installed")
@pytest.mark.parametrize("name", OURS)
def test_our_go_files_are_formatted(name: str) -> None:
    """As gofmt writes them."""
    files = sorted(str(file) for file in (golang.PROGRAMS / name).glob("*.go"))
    assert files
    assert subprocess.run(["gofmt", "-l", *files], capture_output=True, text=True, check=True).stdout == ""


def test_gos_caches_stay_while_another_builds(tmp_path: Path) -> None:
    """Whoever is done last removes them."""
    (tmp_path / "go/build").mkdir(parents=True)
    with golang._users_of_caches(tmp_path) as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        golang.discard_caches(tmp_path)
        assert (tmp_path / "go/build").exists()
    golang.discard_caches(tmp_path)
    assert not (tmp_path / "go").exists()

"""The bundle commands on a bundle that is made here, in an empty cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.store import Store
from installer.core.errors import ExitCode
from tests.unit.cli.conftest import FakeSessions, Moorage


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle of one file in a cache of its own."""
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))
    store = Store(tmp_path / "cache")
    (tmp_path / "etcd").write_bytes(b"etcd")
    with (tmp_path / "etcd").open("rb") as content:
        sha256 = store.add(content)
    made = Bundle("2026.11", "amd64", (Artefact("bin/etcd", sha256, 4),), store)
    made.save()
    return made


def test_list_tells_releases_and_which_are_built(moorage: Moorage, bundle: Bundle) -> None:
    """By architecture."""
    rows = [line.split() for line in moorage("bundle", "list").out.splitlines()]
    assert {row[0]: row[-1] for row in rows[1:]} == {"2026.10": "-", "2026.11": "amd64"}
    assert [one["built"] for one in json.loads(moorage("bundle", "list", "-o", "json").out)] == [[], ["amd64"]]


def test_without_a_release_that_of_the_specification_is_meant(
    moorage: Moorage, bundle: Bundle, sessions: FakeSessions
) -> None:
    """As `make demo` calls it."""
    result = moorage("bundle", "verify")
    assert result.code == 0
    assert f"release 2026.11 for amd64: 1 artefacts, 0 MB, digest {bundle.digest[:12]}" in result.out


def test_a_damaged_file_is_named(moorage: Moorage, bundle: Bundle) -> None:
    """With the code of bundles, and what to do."""
    path = bundle.path("bin/etcd")
    path.chmod(0o644)
    path.write_bytes(b"dcte")
    result = moorage("bundle", "verify", "2026.11")
    assert result.code == ExitCode.BUNDLE
    assert "bin/etcd: damaged" in result.err


def test_a_bundle_is_carried_from_one_cache_to_another(
    moorage: Moorage, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one file."""
    assert moorage("bundle", "export", "bundle.tar", "2026.11").code == 0
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "other"))
    assert moorage("bundle", "verify", "2026.11").code == ExitCode.BUNDLE
    assert json.loads(moorage("bundle", "import", "bundle.tar", "-o", "json").out)["digest"] == bundle.digest
    assert moorage("bundle", "verify", "2026.11").code == 0


def test_an_unknown_release_is_told_with_those_there_are(moorage: Moorage, bundle: Bundle) -> None:
    """Not built from nothing."""
    result = moorage("bundle", "build", "2099.01")
    assert result.code == ExitCode.BUNDLE
    assert "2026.10" in result.err


def test_an_architecture_is_the_specifications_or_named(
    moorage: Moorage, bundle: Bundle, sessions: FakeSessions
) -> None:
    """One that nothing is built for is told with those there are."""
    other = moorage("bundle", "verify", "2026.11", "--arch", "arm64")
    assert other.code == ExitCode.BUNDLE
    assert "no bundle of release 2026.11 for arm64" in other.err
    assert "bundle build 2026.11 --arch arm64" in other.err
    unknown = moorage("bundle", "build", "2026.11", "--arch", "riscv64")
    assert unknown.code == ExitCode.BUNDLE
    assert "amd64, arm64" in unknown.err

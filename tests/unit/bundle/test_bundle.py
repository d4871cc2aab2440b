"""Bundles: a manifest over files by digest, checked wherever it goes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from installer.bundle import bundle
from installer.bundle.bundle import Artefact, Bundle
from installer.bundle.store import Store
from installer.core.errors import BundleError
from tests.conftest import Golden


def make(root: Path, **contents: str) -> Bundle:
    """A bundle of small files; two underscores stand for a slash."""
    store, artefacts = Store(root), []
    for name, content in contents.items():
        with store.scratch() as scratch:
            scratch.write_text(content)
            sha256 = store.move_in(scratch)
        path = name.replace("__", "/")
        image = f"moorage.local/{name}:1" if path.startswith("images/") else ""
        artefacts.append(Artefact(path, sha256, len(content), image))
    return Bundle("2026.11", "amd64", tuple(artefacts), store, "sources")


def damage(file: Path, content: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(content)


def test_the_manifest(tmp_path: Path, golden: Golden) -> None:
    """Its text decides the digest, and hosts read it: it changes with the format's number only."""
    golden("bundle/manifest.json", make(tmp_path, bin__etcd="etcd", images__pause="pause").manifest)


def test_equal_content_has_an_equal_digest(tmp_path: Path) -> None:
    """Wherever it lies and in whatever order it was made."""
    one = make(tmp_path / "1", bin__etcd="etcd", bin__runc="runc")
    other = make(tmp_path / "2", bin__runc="runc", bin__etcd="etcd")
    assert one.digest == other.digest != make(tmp_path / "3", bin__etcd="etcd", bin__runc="other").digest


def test_a_saved_bundle_is_loaded_as_it_was(tmp_path: Path) -> None:
    """With its release and its images."""
    made = make(tmp_path, bin__etcd="etcd", images__pause="pause")
    made.save()
    found = Bundle.load("2026.11", cache=tmp_path)
    assert found.digest == made.digest
    assert found.info.kubernetes.manager == "1.37.2"
    assert found.images == {"pause": "moorage.local/images__pause:1"}
    assert found.path("bin/etcd").read_text() == "etcd"


def test_a_bundle_that_is_not_here_is_told_with_the_way_to_it(tmp_path: Path) -> None:
    """Built or imported."""
    with pytest.raises(BundleError, match=r"no bundle of release 2026\.11 for arm64") as caught:
        Bundle.load("2026.11", arch="arm64", cache=tmp_path)
    assert "moorage bundle build 2026.11" in caught.value.hint
    assert "moorage bundle import" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "manifest is damaged"),
        ("{}", "manifest is damaged"),
        ('{"format": 1, "release": "2026.11"}', "manifest is damaged"),
        ('{"format": 99}', "format 99 is not known"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """It says whether it is damaged or of a newer Moorage."""
    with pytest.raises(BundleError, match=fault):
        Bundle.from_json(text, Store(tmp_path))


@pytest.mark.parametrize("content", [b"dcte", b"etc", b""], ids=["another", "shorter", "empty"])
def test_a_damaged_file_is_found_and_named(tmp_path: Path, content: bytes) -> None:
    """Every byte is read: one of the same size does not pass."""
    made = make(tmp_path, bin__etcd="etcd", bin__runc="runc")
    damage(made.path("bin/etcd"), content)
    made.path("bin/runc").unlink()
    with pytest.raises(BundleError, match="2 of 2 artefacts") as caught:
        bundle.verify(made)
    assert caught.value.last_lines == (
        f"bin/etcd: damaged ({made.path('bin/etcd')})",
        "bin/runc: missing",
    )


def test_an_export_is_the_whole_bundle(tmp_path: Path) -> None:
    """Another machine has the same bundle after it, and its file is the same each time."""
    made = make(tmp_path / "here", bin__etcd="etcd", bin__copy="etcd", images__pause="pause")
    bundle.export(made, tmp_path / "one.tar")
    bundle.export(made, tmp_path / "two.tar")
    found = bundle.import_(tmp_path / "one.tar", cache=tmp_path / "there")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert found.digest == made.digest == Bundle.load("2026.11", cache=tmp_path / "there").digest
    assert found.faults() == ()


def test_a_damaged_bundle_is_not_exported(tmp_path: Path) -> None:
    """Nor is anything left at its place."""
    made = make(tmp_path, bin__etcd="etcd")
    damage(made.path("bin/etcd"), b"dcte")
    with pytest.raises(BundleError, match="not whole"):
        bundle.export(made, tmp_path / "out.tar")
    assert not list(tmp_path.glob("out.tar*"))


def test_a_file_damaged_on_the_way_is_not_imported(tmp_path: Path) -> None:
    """The bundle is not there then, and nothing wrong is in the store."""
    bundle.export(make(tmp_path / "here", bin__etcd="etcd" * 1000), tmp_path / "out.tar")
    content = (tmp_path / "out.tar").read_bytes()
    damage(tmp_path / "out.tar", content.replace(b"etcdetcd", b"etcdctcd", 1))
    with pytest.raises(BundleError, match="digest"):
        bundle.import_(tmp_path / "out.tar", cache=tmp_path / "there")
    with pytest.raises(BundleError, match="no bundle"):
        Bundle.load("2026.11", cache=tmp_path / "there")
    assert list((tmp_path / "there").glob("store/*")) == []


def test_an_export_that_was_cut_off_is_not_imported(tmp_path: Path) -> None:
    """It says that the file is to be copied again."""
    bundle.export(make(tmp_path / "here", bin__etcd="etcd" * 9000), tmp_path / "out.tar")
    content = (tmp_path / "out.tar").read_bytes()
    (tmp_path / "out.tar").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError) as caught:
        bundle.import_(tmp_path / "out.tar", cache=tmp_path / "there")
    assert "copy the file again" in caught.value.hint


def test_another_tar_file_is_no_bundle(tmp_path: Path) -> None:
    """It is not unpacked."""
    (tmp_path / "etcd").write_text("etcd")
    with tarfile.open(tmp_path / "out.tar", "w") as tar:
        tar.add(tmp_path / "etcd", "../etcd")
    with pytest.raises(BundleError, match="no exported bundle"):
        bundle.import_(tmp_path / "out.tar", cache=tmp_path / "there")


def test_a_store_takes_only_what_has_the_digest_it_should_have(tmp_path: Path) -> None:
    """And leaves nothing behind of what it refused."""
    store = Store(tmp_path)
    (tmp_path / "file").write_text("etcd")
    with (tmp_path / "file").open("rb") as content, pytest.raises(BundleError, match="expected 1234"):
        store.add(content, expected="1234")
    assert not (tmp_path / "store").exists()
    assert list((tmp_path / "tmp").iterdir()) == []

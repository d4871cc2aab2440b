"""Trees of Debian files: unpacked safely, and without what no container reads."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from installer.bundle import debian
from installer.bundle.debian import DebianRecipe
from installer.core.errors import BundleError


def packed(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid, info.mtime = kind, link, mode, 4711, 99
    return info


def test_a_tree_is_unpacked_without_owners_and_devices(tmp_path: Path) -> None:
    """Links stay links; nothing is set-user-ID; a file that is there is replaced, not written into."""
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/conf").symlink_to(tmp_path / "outside")
    file = packed(
        tmp_path / "a.tar",
        (member("./dev/null", tarfile.CHRTYPE), b""),
        (member("./usr/bin", tarfile.DIRTYPE, mode=0o700), b""),
        (member("./usr/bin/su", mode=0o4755), b"su"),
        (member("./usr/bin/both", tarfile.LNKTYPE, "./usr/bin/su"), b""),
        (member("./bin", tarfile.SYMTYPE, "usr/bin"), b""),
        (member("./etc/conf", mode=0o600), b"conf"),
    )
    debian.extract(file, tree)
    debian.extract(file, tree)
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_symlink() or path.is_file()}
    assert found == {"usr/bin/su", "usr/bin/both", "bin", "etc/conf"}
    assert oct((tree / "usr/bin/su").stat().st_mode & 0o7777) == "0o755"
    assert (tree / "usr/bin/su").stat().st_uid != 4711
    assert (tree / "usr/bin/both").read_bytes() == b"su"
    assert (tree / "bin").readlink() == Path("usr/bin")
    assert (tree / "etc/conf").read_bytes() == b"conf"
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "usr/../../outside"])
def test_an_archive_cannot_write_outside_its_tree(tmp_path: Path, name: str) -> None:
    """It is refused as a whole."""
    file = packed(tmp_path / "a.tar", (member(name), b"x"))
    with pytest.raises(BundleError, match="leaves its directory"):
        debian.extract(file, tmp_path / "deep/tree")
    assert not list(tmp_path.rglob("outside"))


def test_what_no_container_reads_is_left_out(tmp_path: Path) -> None:
    """Documentation and package management; the directories themselves may stay."""
    for name in ("usr/share/doc/etcd/README", "var/lib/dpkg/status", "usr/bin/perl5.40", "usr/bin/sh", "etc/passwd"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "usr/share/doc/link").symlink_to("/etc/passwd")
    debian.prune(tmp_path, debian.PRUNED)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {"usr/bin/sh", "etc/passwd"}


def test_other_packages_are_another_build() -> None:
    """And so is another Debian, another architecture and what is left out."""

    def key(
        suite: str = "trixie", arch: str = "amd64", packages: tuple[str, ...] = ("dash",), pruned: tuple[str, ...] = ()
    ) -> str:
        return DebianRecipe(output="parts/x.tar", suite=suite, arch=arch, packages=packages, pruned=pruned).key({})

    keys = [key(), key(suite="forky"), key(arch="arm64"), key(packages=("dash", "sed")), key(pruned=("etc/*",))]
    assert key() == key()
    assert len(set(keys)) == len(keys)

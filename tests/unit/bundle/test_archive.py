"""Image archives: equal content, equal bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from installer.bundle import archive
from installer.bundle.archive import ImageConfig
from installer.core.errors import BundleError

CONFIG = ImageConfig(entrypoint=("/bin/thing", "serve"), env={"PATH": "/bin", "A": "1"}, user="7:7", folder="/tmp")


def tree(root: Path, *names: str, time: int = 0) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {name}")
        os.utime(file, (time, time))
    return root


def image(folder: Path, content: Path, config: ImageConfig = CONFIG) -> Path:
    folder.mkdir(exist_ok=True)
    archive.write_layer(folder / "layer.tar", [content])
    archive.write_image(folder / "image.tar", "thing", "amd64", config, folder / "layer.tar")
    return folder / "image.tar"


def test_neither_times_nor_the_order_of_making_decide_the_bytes(tmp_path: Path) -> None:
    """A build on another day on another machine gives the same file."""
    one = image(tmp_path / "1", tree(tmp_path / "a", "bin/thing", "etc/b", "etc/a", time=1_000))
    other = image(tmp_path / "2", tree(tmp_path / "b", "etc/a", "etc/b", "bin/thing", time=2_000))
    assert one.read_bytes() == other.read_bytes()


def test_the_reference_names_the_content_and_how_it_starts(tmp_path: Path) -> None:
    """So an image under a known reference never has to be imported again."""
    content = tree(tmp_path / "a", "bin/thing")
    first = archive.reference(image(tmp_path / "1", content))
    restarted = archive.reference(image(tmp_path / "2", content, ImageConfig(entrypoint=("/bin/other",))))
    changed = archive.reference(image(tmp_path / "3", tree(tmp_path / "a", "etc/more")))
    name, _, tag = first.partition(":")
    assert name == "moorage.local/thing"
    assert len(tag) == 12
    assert len({first, restarted, changed}) == 3


def test_an_image_is_what_a_container_runtime_reads(tmp_path: Path) -> None:
    """A manifest, a configuration under its own digest, and one layer whose digest the configuration names."""
    file = image(tmp_path / "1", tree(tmp_path / "a", "bin/thing"))
    with tarfile.open(file) as tar:
        names = tar.getnames()
        read = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    (entry,) = json.loads(read["manifest.json"])
    config = json.loads(read[entry["Config"]])
    assert names == ["manifest.json", entry["Config"], "layer.tar"]
    assert entry["Layers"] == ["layer.tar"]
    assert entry["RepoTags"] == [archive.reference(file)]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{_sha256(read['layer.tar'])}"]
    assert entry["Config"] == f"{_sha256(read[entry['Config']])}.json"
    assert config["config"] == {
        "Entrypoint": ["/bin/thing", "serve"],
        "Env": ["A=1", "PATH=/bin"],
        "User": "7:7",
        "WorkingDir": "/tmp",
    }


def test_in_a_layer_everything_is_roots_and_only_programs_run(tmp_path: Path) -> None:
    """Whoever builds it; links stay links, and nothing is set-user-ID."""
    content = tree(tmp_path / "a", "bin/thing", "etc/conf", "bin/su")
    (content / "bin/thing").chmod(0o700)
    (content / "bin/su").chmod(0o4755)
    (content / "etc/conf").chmod(0o600)
    (content / "bin/link").symlink_to("thing")
    (content / "tmp").mkdir()
    archive.write_layer(tmp_path / "layer.tar", [content])
    with tarfile.open(tmp_path / "layer.tar") as tar:
        members = {member.name: member for member in tar}
    assert {(m.uid, m.gid, m.mtime, m.uname) for m in members.values()} == {(0, 0, 0, "")}
    modes = {name: oct(member.mode) for name, member in members.items() if not member.issym()}
    assert modes == {
        "bin": "0o755",
        "bin/su": "0o755",
        "bin/thing": "0o755",
        "etc": "0o755",
        "etc/conf": "0o644",
        "tmp": "0o1777",
    }
    assert members["bin/link"].linkname == "thing"


def test_a_later_tree_lies_over_an_earlier(tmp_path: Path) -> None:
    """A file that both have is the later one's, once."""
    lower, upper = tree(tmp_path / "a", "etc/conf", "etc/lower"), tree(tmp_path / "b", "etc/conf")
    (upper / "etc/conf").write_text("upper")
    archive.write_layer(tmp_path / "layer.tar", [lower, upper])
    with tarfile.open(tmp_path / "layer.tar") as tar:
        assert tar.getnames() == ["etc", "etc/conf", "etc/lower"]
        assert tar.extractfile("etc/conf").read() == b"upper"  # type: ignore[union-attr]


def test_what_is_no_image_of_ours_has_no_reference(tmp_path: Path) -> None:
    """It says what to do."""
    archive.write_layer(tmp_path / "layer.tar", [tree(tmp_path / "a", "bin/thing")])
    with pytest.raises(BundleError, match="no image archive of ours"):
        archive.reference(tmp_path / "layer.tar")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

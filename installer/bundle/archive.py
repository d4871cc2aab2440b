"""Image archives: one layer and its configuration in one tar file, with equal bytes for equal content."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from installer.bundle.store import digest_of
from installer.core.errors import BundleError

REGISTRY: Final = "moorage.local"  # no such registry exists: images come from the bundle, never from a network
FORMAT: Final = 2  # of the archives: another one makes other bytes of the same content
_MANIFEST: Final = "manifest.json"
_LAYER: Final = "layer.tar"
_TAG_LENGTH: Final = 12
_PLAIN: Final = 0o644
_EXECUTABLE: Final = 0o755
_ANY: Final = 0o111  # whoever may run it


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How a container of the image starts, unless its pod says otherwise."""

    entrypoint: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""  # "": root
    folder: str = "/"

    def document(self) -> dict[str, Any]:
        """As image configurations write it: https://github.com/opencontainers/image-spec/blob/main/config.md"""
        env = [f"{name}={value}" for name, value in sorted(self.env.items())]
        return {"Entrypoint": list(self.entrypoint), "Env": env, "User": self.user, "WorkingDir": self.folder}


def write_layer(target: Path, trees: Iterable[Path]) -> None:
    """Write the content of all `trees` as one layer: everything root's, at time 0, in the order of names."""
    found = {path: file for tree in trees for path, file in _walk(tree)}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(found):
            _add_path(tar, path, found[path])


def write_image(target: Path, name: str, arch: str, config: ImageConfig, layer: Path) -> str:
    """Write the archive that `ctr images import` and `docker load` read, and return the image's reference."""
    document = json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "config": config.document(),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest_of(layer)}"]},
        },
        sort_keys=True,
    ).encode()
    image = hashlib.sha256(document).hexdigest()
    tag = f"{REGISTRY}/{name}:{image[:_TAG_LENGTH]}"
    manifest = [{"Config": f"{image}.json", "RepoTags": [tag], "Layers": [_LAYER]}]
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        _add_bytes(tar, _MANIFEST, json.dumps(manifest).encode())  # first, so that the reference is read at once
        _add_bytes(tar, f"{image}.json", document)
        _add_path(tar, _LAYER, layer)
    return tag


def reference(archive: Path) -> str:
    """The reference by which an image is known once it is imported; raises BundleError."""
    with tarfile.open(archive) as tar:
        first = tar.next()
        content = tar.extractfile(first) if first is not None and first.name == _MANIFEST else None
        if content is None:
            raise BundleError(f"{archive} is no image archive of ours", hint="build the bundle again")
        return str(json.load(content)[0]["RepoTags"][0])


def _walk(tree: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            file = Path(folder, name)
            yield str(file.relative_to(tree)), file


def _add_path(tar: tarfile.TarFile, name: str, file: Path) -> None:
    info = tarfile.TarInfo(name)
    if file.is_symlink():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(file.readlink()), 0o777
        tar.addfile(info)
    elif file.is_dir():
        info.type = tarfile.DIRTYPE
        info.mode = 0o1777 if name in {"tmp", "var/tmp"} else _EXECUTABLE
        tar.addfile(info)
    else:
        status = file.stat()
        info.size, info.mode = status.st_size, _EXECUTABLE if status.st_mode & _ANY else _PLAIN
        with file.open("rb") as content:
            tar.addfile(info, content)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), _PLAIN
    tar.addfile(info, io.BytesIO(content))

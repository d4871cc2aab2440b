"""The cache of artefacts on this machine: files by digest, written once, never changed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from installer.core.errors import BundleError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Store:
    """Files by their sha256, below `root`/store."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Where the file of this digest is, or would be."""
        return self.root / "store" / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def add(self, source: BinaryIO, *, expected: str | None = None) -> str:
        """Copy `source` in and return its digest; raises BundleError when it is not the expected one."""
        with self.scratch() as scratch:
            digest = hashlib.sha256()
            with scratch.open("wb") as out:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
            return self._keep(scratch, digest.hexdigest(), expected)

    def move_in(self, file: Path, *, expected: str | None = None) -> str:
        """Take over `file`, which lies in this cache already, and return its digest."""
        return self._keep(file, digest_of(file), expected)

    def write_text(self, target: Path, text: str) -> None:
        """Write a small file of the cache so that it is there whole or not at all."""
        with self.scratch() as scratch:
            scratch.write_text(text)
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch.replace(target)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A path for a new file on the store's own file system; what is left there afterwards goes away."""
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            yield Path(name) / "file"

    def _keep(self, file: Path, found: str, expected: str | None) -> str:
        if expected is not None and found != expected:
            raise BundleError(
                f"got a file with the digest {found}, expected {expected}",
                cause="it was damaged on the way, or is not what the release means",
                hint="repeat the command; if it stays so, do not use that source",
            )
        target = self.path(found)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o555)
        file.replace(target)
        return found


def digest_of(file: Path) -> str:
    """The sha256 of a file, hex."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()

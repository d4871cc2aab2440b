"""Where a backend keeps its files: a directory here, or a bucket (s3.py). Keys are those of Pulumi's own backends."""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from installer.core.errors import InfrastructureError
from installer.provision.embedded.refusal import needs_cli

FILE: Final = "file://"
S3: Final = "s3://"
_NEW: Final = ".new"


@dataclass(frozen=True)
class Found:
    """What lies under a key. `version` changes with the content, where the store has such a thing."""

    content: bytes
    version: str = ""


class MovedOnError(InfrastructureError):
    """What was to be written over is no longer what was read."""


class Store(Protocol):
    """Files by key. Each is written whole or not at all, and read as it was last written."""

    @property
    def directory(self) -> Path | None:
        """Where it lies on this machine; None when it is elsewhere, and other machines may reach it."""

    def where(self, key: str) -> str:
        """A key, as a person can find it."""

    def read(self, key: str) -> Found | None: ...

    def write(self, key: str, content: bytes, *, over: Found | None = None, new: bool = False) -> Found:
        """Write it. `over`: only while it is still that; `new`: only while there is none. Raises MovedOnError."""

    def copy(self, key: str, to: str) -> None: ...

    def remove(self, key: str) -> None:
        """Nothing happens when there is none."""

    def names(self, folder: str) -> Sequence[str]:
        """Keys below a folder (`a/b/`), sorted."""

    def append(self, key: str, line: bytes) -> None:
        """Add a line, written through, to what is read by `lines`."""

    def lines(self, key: str) -> Sequence[bytes] | None:
        """Lines that were added and came to their end; None before the first."""

    def clear(self, key: str) -> None:
        """Remove what was appended."""


def knows(url: str) -> bool:
    """Whether a backend can be read without the pulumi CLI: a directory, or a bucket where its client is installed."""
    return url.startswith(FILE) or (url.startswith(S3) and importlib.util.find_spec("botocore") is not None)


def opened(url: str) -> Store:
    """The store behind a backend's URL; raises InfrastructureError for one that only the CLI knows."""
    if url.startswith(FILE):
        return Directory(Path(url.removeprefix(FILE)))
    if not url.startswith(S3):
        raise needs_cli(
            f"the embedded engine keeps its state in a directory or a bucket (s3://), not in {url or 'a service'}",
            otherwise="; or keep the state in one of those",
        )
    if not knows(url):
        raise needs_cli(
            f"the state is in {url.partition('?')[0]}, and the client for that is not installed",
            otherwise="; or pip install 'moorage[s3]'",
        )
    from installer.provision.embedded import s3  # an extra: 32 MB that only those who share a state need

    return s3.bucket(url)


class Directory:
    """A directory on this machine. Its lock is the kernel's (locks.py), so that no write asks for a condition."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def directory(self) -> Path:
        return self._path

    def where(self, key: str) -> str:
        return str(self._path / key)

    def read(self, key: str) -> Found | None:
        try:
            return Found((self._path / key).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes, *, over: Found | None = None, new: bool = False) -> Found:
        path = self._path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: stacks of a platform share files, and are previewed side by side.
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_NEW}")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return Found(content)

    def copy(self, key: str, to: str) -> None:
        target = self._path / to
        target.unlink(missing_ok=True)
        target.hardlink_to(self._path / key)  # a second name for it: at no instant is there none

    def remove(self, key: str) -> None:
        (self._path / key).unlink(missing_ok=True)

    def names(self, folder: str) -> Sequence[str]:
        found = (self._path / folder).rglob("*")
        return sorted(str(p.relative_to(self._path)) for p in found if p.is_file() and not p.name.endswith(_NEW))

    def append(self, key: str, line: bytes) -> None:
        with (self._path / key).open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self, key: str) -> Sequence[bytes] | None:
        found = self.read(key)
        # What follows the last line feed was cut off: it never counted.
        return None if found is None else found.content.split(b"\n")[:-1]

    def clear(self, key: str) -> None:
        self.remove(key)

"""Where the state of platforms is kept: a directory, or any backend that Pulumi knows by URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from installer.core import cache
from installer.core.errors import SpecError

_REMOTE = ("s3://", "azblob://", "gs://", "https://")


@dataclass(frozen=True)
class StateLocation:
    """A Pulumi backend, and the directory here for what is only of this machine (journal, lock)."""

    url: str
    directory: Path

    @classmethod
    def parse(cls, text: str) -> StateLocation:
        """A path, a file:// URL or another backend's URL; raises SpecError."""
        if text.startswith(_REMOTE):
            return cls(text, cache.root() / "state" / re.sub(r"[^A-Za-z0-9._-]+", "_", text))
        if "://" in text and not text.startswith("file://"):
            raise SpecError(
                f"--state {text}: not a backend that Pulumi knows", hint="a directory, or s3://, azblob://, gs://"
            )
        directory = Path(text.removeprefix("file://")).absolute()
        return cls(f"file://{directory}", directory)

    def of(self, platform: str) -> Path:
        """The directory of one platform."""
        return self.directory / platform

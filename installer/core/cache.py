"""Where this machine keeps what can be made again, and what its local hosts are."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """`$MOORAGE_CACHE`, or ~/.cache/moorage."""
    return Path(os.environ.get("MOORAGE_CACHE") or Path.home() / ".cache" / "moorage")


def hosts() -> Path:
    """What local hosts keep: `$MOORAGE_HOSTS`, or ~/.local/state/moorage/hosts; not a cache, so not in one."""
    return Path(os.environ.get("MOORAGE_HOSTS") or Path.home() / ".local" / "state" / "moorage" / "hosts")

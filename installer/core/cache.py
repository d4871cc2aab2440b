"""Where this machine keeps what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """`$MOORAGE_CACHE`, or ~/.cache/moorage."""
    return Path(os.environ.get("MOORAGE_CACHE") or Path.home() / ".cache" / "moorage")

"""A platform held still: a running plan stops before its next step, and no other starts, until it is let go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from installer.core.errors import LockError
from installer.engine.lock import whoami


@dataclass(frozen=True)
class Pause:
    """The file that says so, beside the lock."""

    path: Path

    @property
    def on(self) -> bool:
        return self.path.exists()

    @property
    def by(self) -> str:
        """Who holds it still, and since when; empty: nobody."""
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def begin(self) -> None:
        """Hold still; nothing that runs is cut off. Who did it first stays noted."""
        if self.on:
            return
        since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(f"{whoami()} since {since}\n", encoding="utf-8")

    def end(self) -> bool:
        """Let it go on; whether it was held."""
        was = self.on
        self.path.unlink(missing_ok=True)
        return was

    def require_off(self) -> None:
        """Raise LockError that names who holds the platform still, if anybody does."""
        if who := self.by:
            raise LockError(f"the platform is paused by {who}", hint="`moorage plan resume` goes on")

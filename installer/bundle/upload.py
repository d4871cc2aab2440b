"""Sends files of a bundle to a host: no faster than its link is to be used, and on from where that broke."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from installer.bundle.bundle import Artefact
from installer.core.clock import Clock
from installer.core.errors import InstallerError

_PAUSES_S: Final = (
    1,
    2,
    5,
    10,
    30,
    60,
    60,
    60,
)  # after a link broke; more than three minutes without a byte are enough
_TELL_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class Lacking:
    """A file that a host does not have, but for its first bytes."""

    artefact: Artefact
    have: int = 0  # bytes that an earlier transfer brought

    @property
    def left(self) -> int:
        """Bytes to be sent."""
        return self.artefact.size - self.have


class Pace:
    """How fast bytes may be sent over one link, by all who send at the same time; None: as fast as it is."""

    def __init__(self, bytes_per_s: float | None, clock: Clock) -> None:
        self.clock = clock
        self._bytes_per_s = bytes_per_s
        self._guard = threading.Lock()
        self._free_at = 0.0

    def take(self, size: int) -> None:
        """Return once so many bytes have had their time; others wait for theirs behind it."""
        if not self._bytes_per_s:
            return
        with self._guard:
            self._free_at = max(self.clock.now(), self._free_at) + size / self._bytes_per_s
            wait = self._free_at - self.clock.now()
        self.clock.sleep(max(0.0, wait))


class Paced:
    """A source that is read no faster than its pace."""

    def __init__(self, source: BinaryIO, pace: Pace) -> None:
        self._source = source
        self._pace = pace

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; raises OSError."""
        found = self._source.read(size)
        self._pace.take(len(found))
        return found


class Stream:
    """Files as `moorage-host receive` reads them: each a line of digest, size and offset, then its bytes from there."""

    def __init__(
        self,
        files: Sequence[Lacking],
        opened: Callable[[Artefact], BinaryIO],
        pace: Pace,
        on_sent: Callable[[Artefact, int], None],
    ) -> None:
        """`on_sent`: told how many bytes of all files are on their way, at each file and while a large one is sent."""
        self._files = iter(files)
        self._opened = opened
        self._pace = pace
        self._on_sent = on_sent
        self._now: BinaryIO = io.BytesIO()
        self._artefact: Artefact | None = None
        self._sent = 0
        self._told_at = 0.0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of what is left; none at the end. Raises OSError."""
        if found := self._now.read(size):
            self._sent += len(found)
            self._pace.take(len(found))
            if self._pace.clock.now() >= self._told_at + _TELL_EVERY_S:
                self._tell()
            return found
        self._now.close()
        if (lacking := next(self._files, None)) is None:
            self._now = io.BytesIO()
            return b""
        self._artefact = lacking.artefact
        self._now = self._opened(lacking.artefact)
        self._now.seek(lacking.have)
        self._tell()
        return f"{lacking.artefact.sha256} {lacking.artefact.size} {lacking.have}\n".encode()

    def _tell(self) -> None:
        if self._artefact:
            self._told_at = self._pace.clock.now()
            self._on_sent(self._artefact, self._sent)


class Patience:
    """How long a link that breaks is tried again: longer and longer, and from the start once something has arrived."""

    def __init__(self, clock: Clock, on_wait: Callable[[str], None]) -> None:
        self._clock = clock
        self._on_wait = on_wait
        self._tries = 0
        self._left: int | None = None

    def wait(self, error: InstallerError) -> None:
        """Let some time pass before the next try; raises `error` where there were enough of them."""
        if self._tries == len(_PAUSES_S):
            raise error
        pause = _PAUSES_S[self._tries]
        self._tries += 1
        self._on_wait(f"{error.what}; again in {pause} s")
        self._clock.sleep(pause)

    def saw(self, left: int) -> None:
        """So many bytes are still to be sent."""
        if self._left is not None and left < self._left:
            self._tries = 0
        self._left = left

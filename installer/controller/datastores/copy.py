"""A cluster's keys on their way to another etcd: one process of `moorage-datastore`, which says how far it is."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from dataclasses import dataclass
from typing import Final, Protocol

from installer.controller.datastores.etcdctl import Etcdctl, EtcdError
from installer.core import layout

_PROGRAM: Final = f"{layout.CURRENT}/{layout.BIN}/moorage-datastore"
_END_S: Final = 5
_LAST_LINES: Final = 3


@dataclass(frozen=True)
class Progress:
    """How far a copy is. `gap`: by how many revisions the destination is behind what clients have seen."""

    phase: str = "starting"  # copying, following, done
    keys: int = 0
    gap: int = 0

    @property
    def caught_up(self) -> bool:
        """Whether little would be missing if writers were locked out now."""
        return self.phase in {"following", "done"} and self.gap <= 0

    @property
    def text(self) -> str:
        """For people."""
        if self.phase == "following" and self.gap > 0:
            return f"{self.keys} keys are copied; its revision is to rise by {self.gap} (about {_seconds(self.gap)} s)"
        return f"{self.keys} keys are copied"


class Copying(Protocol):
    """A copy that is under way."""

    def progress(self) -> Progress:
        """How far it is; raises EtcdError when it has failed."""

    def finish(self, *, timeout_s: float) -> Progress:
        """Bring over what is missing, now that nobody writes; returns once both sides are the same.

        Raises EtcdError when they do not become so.
        """

    def stop(self) -> None:
        """End it. What it has copied stays in the destination."""


class Copy:
    """From one etcd to another; what is below the prefix in the destination before is removed."""

    def __init__(self, source: Etcdctl, destination: Etcdctl, prefix: str, *, program: str = _PROGRAM) -> None:
        argv = [
            *(program, "move", "--prefix", prefix),
            *("--from", ",".join(source.servers), "--from-certificates", str(source.folder)),
            *("--to", ",".join(destination.servers), "--to-certificates", str(destination.folder)),
        ]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._progress = Progress()
        self._last_lines: list[str] = []
        reads = (self._read_progress, self._read_errors)
        self._readers = [threading.Thread(target=read, daemon=True) for read in reads]
        for reader in self._readers:
            reader.start()

    def progress(self) -> Progress:
        """See Copying."""
        if self._process.poll() is not None and self._progress.phase != "done":
            raise self._failed("ended")
        return self._progress

    def finish(self, *, timeout_s: float) -> Progress:
        """See Copying."""
        with contextlib.suppress(BrokenPipeError):  # it has ended: its status tells
            if self._process.stdin is not None:
                self._process.stdin.write("finish\n")
                self._process.stdin.flush()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise self._failed(f"did not end within {timeout_s:g} s") from None
        self._join()
        if self._process.returncode or self._progress.phase != "done":
            raise self._failed("failed")
        return self._progress

    def stop(self) -> None:
        """See Copying."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._join()

    def _read_progress(self) -> None:
        for line in self._process.stdout or ():
            self._progress = Progress(**json.loads(line))

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._last_lines = [*self._last_lines, line.rstrip()][-_LAST_LINES:]

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(_END_S)

    def _failed(self, how: str) -> EtcdError:
        self._join()
        return EtcdError(f"the copy to another datastore {how}", last_lines=self._last_lines)


def _seconds(gap: int) -> int:
    """At 4,000 revisions a second, as moorage-datastore raises them."""
    return gap // 4000 + 1

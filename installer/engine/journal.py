"""The journal of runs: intent before the act, result after it, on disk before anything goes on."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from installer.core.errors import InstallerError
from installer.engine.events import Outcome
from installer.engine.plan import Change, StepId, changes_to_json


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """One run's file of JSON lines, made when the first step begins.

    A run with nothing to do leaves none, unless that is the news: what an earlier run was killed in is as it should be.
    """

    def __init__(
        self,
        directory: Path,
        *,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """`arguments`: what the command must be told to be repeated, beside the specification; plain values."""
        self.run_id = f"{now():%Y%m%dT%H%M%S}Z-{os.getpid()}"
        self.path = directory / f"{self.run_id}.jsonl"
        self._head = {"event": "run", "command": command, **({"arguments": dict(arguments)} if arguments else {})}
        self._now = now
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None

    def begin(self, step: StepId, changes: Sequence[Change]) -> None:
        """Write down what is about to be done."""
        self._write({"event": "begin", "step": _step(step), "changes": changes_to_json(changes)})

    def end(self, step: StepId, outcome: Outcome, error: InstallerError | None = None) -> None:
        """Write down how it ended."""
        self._write({"event": "end", "step": _step(step), "outcome": outcome, "error": error and error.to_json()})

    def finish(self, outcome: Outcome) -> None:
        """Write down how the run ended, if it did anything, and close the file."""
        before = last_run(self.path.parent) if self._file is None else None
        if self._file is not None or (before is not None and before.begun):
            self._write({"event": "finish", "outcome": outcome})
        if self._file is not None:
            self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        with self._lock:
            if self._file is None:
                self._file = self._open()
            self._append(self._file, entry)

    def _open(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        self._append(file, self._head)
        return file

    def _append(self, file: BinaryIO, entry: dict[str, Any]) -> None:
        line = json.dumps({"time": self._now().isoformat(timespec="milliseconds"), **entry})
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a journal tells about one run."""

    run_id: str
    command: str
    started: datetime
    outcome: Outcome | None  # None: it was killed, or it still runs
    begun: tuple[StepId, ...]  # begun and not ended: these were cut off in the middle
    failed: tuple[StepId, ...]
    done: tuple[StepId, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)  # see Journal


def last_run(directory: Path) -> Run | None:
    """The newest run that changed anything, or tried to; None when there was none."""
    newest = max(directory.glob("*.jsonl"), key=lambda path: path.name, default=None)
    entries = _entries(newest) if newest else []
    if newest is None or not entries:
        return None
    steps = [(entry, StepId(*entry["step"])) for entry in entries if "step" in entry]
    ended = {step: entry["outcome"] for entry, step in steps if entry["event"] == "end"}
    outcomes = [Outcome(entry["outcome"]) for entry in entries if entry["event"] == "finish"]
    return Run(
        run_id=newest.stem,
        command=entries[0]["command"],
        arguments=entries[0].get("arguments", {}),
        started=datetime.fromisoformat(entries[0]["time"]),
        outcome=outcomes[-1] if outcomes else None,
        begun=tuple(step for entry, step in steps if entry["event"] == "begin" and step not in ended),
        failed=tuple(step for step, outcome in ended.items() if outcome != Outcome.DONE),
        done=tuple(step for step, outcome in ended.items() if outcome == Outcome.DONE),
    )


def _step(step: StepId) -> list[str]:
    return [step.phase, step.target, step.step]


def _entries(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")
    # What follows the last line feed was cut off by a kill or a full disk: it never counted.
    return [json.loads(line) for line in lines[:-1]]

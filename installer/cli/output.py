"""The only place that prints: results to stdout, progress, questions and errors to stderr."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from installer.core.errors import InstallerError

if TYPE_CHECKING:
    from installer.engine.events import Event, Reporter


class Format(StrEnum):
    """What results and progress are written as."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Output:
    """How one command talks to its user."""

    def __init__(self, format_: Format = Format.TEXT, *, colour: bool = True, verbose: bool = False) -> None:
        self.format = format_
        self.verbose = verbose
        self._colour = colour

    @property
    def json(self) -> bool:
        return self.format is Format.JSON

    def result(self, text: str, data: Any, *, markdown: str = "") -> None:
        """Write a result to stdout: `data` as JSON or `markdown` where that is asked for, `text` otherwise."""
        match self.format:
            case Format.JSON:
                print(json.dumps(plain(data), indent=2))
            case Format.MARKDOWN:
                print(markdown)
            case _:
                print(text)

    def raw(self, text: str) -> None:
        """Write text to stdout as it is, whatever the format: a file that the user asked for."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell the user something beside the result."""
        if not self.json:
            print(text, file=sys.stderr)

    def error(self, error: InstallerError) -> None:
        """Tell what failed, where, why, and what to do next."""
        if self.json:
            print(json.dumps({"event": "error", **error.to_json()}), file=sys.stderr)
        else:
            print(f"error: {error.explain()}", file=sys.stderr)

    def confirmed(self, question: str) -> bool:
        """Ask; only a plain yes is one. Raises InstallerError where nobody can be asked."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            hint = "repeat with --yes to answer beforehand"
            raise InstallerError(f"{question} Nobody can be asked: this is not a terminal", hint=hint)
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def reporter(self) -> Reporter:
        """What shows progress: a live tree on a terminal, else plain lines, or JSON lines."""
        return _OnDemand(self._reporter)

    def _reporter(self) -> Reporter:
        from installer.cli import reporters

        if self.json:
            return reporters.JsonLines(sys.stderr)
        if sys.stderr.isatty() and not self.verbose:  # log lines would tear the tree apart
            return reporters.LiveTree.on_stderr(colour=self._colour)
        return reporters.PlainLines(sys.stderr)


class _OnDemand:
    """A reporter that is made at its first event: rich takes 0.2 s to load, and most commands report nothing."""

    def __init__(self, make: Callable[[], Reporter]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Reporter | None = None

    def report(self, event: Event) -> None:
        with self._lock:
            self._made = self._made or self._make()
        self._made.report(event)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their longest cell, as kubectl has them."""
    cells = [tuple(head), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def plain(value: Any) -> Any:
    """Data that json can write, keys in camelCase: dataclasses, models, enums, anything with a `to_json`."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value):
        return {_camel(f.name): plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

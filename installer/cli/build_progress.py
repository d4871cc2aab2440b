"""How a bundle's build is shown: what is being made, how far it is, how long it will take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from installer.bundle.recipe import BuildEvent
from installer.cli.output import Output
from installer.cli.tree import duration

OnEvent = Callable[[BuildEvent], None]
_QUIET_S = 15.0  # in a pipe, a build is heard this often


@contextmanager
def shown(out: Output, stream: TextIO) -> Iterator[OnEvent]:
    """Takes a build's events while the block lasts: one line that changes on a terminal, else now and then a line."""
    if out.json:
        yield lambda event: _write(stream, json.dumps({"event": f"build-{event.kind}", **asdict(event)}))
    elif stream.isatty() and not out.verbose:
        with Live(console=Console(file=stream), refresh_per_second=4, transient=True) as live:
            yield lambda event: _draw(live, event)
    else:
        yield Lines(stream)


class Lines:
    """Lines for pipes and logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = -_QUIET_S

    def __call__(self, event: BuildEvent) -> None:
        if event.kind != "progress" or event.elapsed_s - self._told >= _QUIET_S:
            self._told = event.elapsed_s
            _write(self._stream, line(event))


def line(event: BuildEvent) -> str:
    """`[3/12] Kubernetes 1.36.3: kubelet, 2m10s so far, about 5m00s left`."""
    words = {"started": "", "progress": "", "waiting": "waiting: ", "done": "done", "fallback": ""}[event.kind]
    what = f"{event.title}: {words}{event.detail}" if words or event.detail else event.title
    left = f", about {duration(event.remaining_s)} left" if event.remaining_s >= 1 else ""
    return f"[{event.number}/{event.of}] {what}, {duration(event.elapsed_s)} so far{left}"


def _draw(live: Live, event: BuildEvent) -> None:
    text = Text(line(event), no_wrap=True, overflow="ellipsis")
    if event.kind in ("done", "fallback"):
        live.console.print(text)
    else:
        live.update(text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()

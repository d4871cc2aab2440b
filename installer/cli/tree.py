"""The live plan tree as lines of text: what the design's example shows, folded so that it fits the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from installer.cli.run_view import Node, Phase, RunView, State

T = TypeVar("T")

_MAX_WIDTH = 110  # a wider screen would tear the state away from the name
_STATE_WIDTH, _TIME_WIDTH = 8, 6
_URGENCY = (State.FAILED, State.WAITING, State.RUNNING, State.STOPPED, State.PENDING, State.COMPLETE)


@dataclass(frozen=True)
class Line:
    """One line, in the pieces that are coloured apart."""

    text: str
    state: State
    elapsed: str

    def __str__(self) -> str:
        return f"{self.text}{self.state:<{_STATE_WIDTH}}{self.elapsed:>{_TIME_WIDTH}}".rstrip()


def lines(view: RunView, *, now: float, width: int, height: int) -> list[Line]:
    """The tree at `now`, in at most `height` lines as far as phases and failures allow."""
    room = height - 1 - len(view.phases)
    drawn: list[tuple[str, Node]] = [(f"{view.name} (serial)", view)]
    for phase, last in _with_last(list(view.phases.values())):
        drawn.append((f"{'└─ ' if last else '├─ '}{_titled(phase)}", phase))
        shown = list(_targets(phase, room))
        room -= len(shown)
        for (text, node), last_target in _with_last(shown):
            drawn.append((f"{'   ' if last else '│  '}{'└─ ' if last_target else '├─ '}{text}", node))
    left = min(width, _MAX_WIDTH) - _STATE_WIDTH - _TIME_WIDTH
    return [Line(_fit(text, left), node.state, duration(node.elapsed(now))) for text, node in drawn]


def duration(seconds: float | None) -> str:
    """`3s`, `1m12s`, `2h03m`; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _titled(phase: Phase) -> str:
    activity = f"  {phase.activity}" if phase.activity else ""
    return f"{phase.name} ({phase.strategy}){activity}"


def _targets(phase: Phase, room: int) -> Iterator[tuple[str, Node]]:
    """The targets worth a line: all while the phase runs, those that failed once it ended; the rest as one line."""
    ended = phase.state not in (State.RUNNING, State.WAITING)
    worth = [target for target in phase.targets.values() if not ended or target.state is State.FAILED]
    chosen, rest = worth, []
    if len(worth) > max(room, 1):
        by_urgency = sorted(worth, key=lambda target: _URGENCY.index(target.state))
        kept = max(room - 1, 3)
        chosen, rest = by_urgency[:kept], by_urgency[kept:]
    for target in chosen:
        yield (f"{target.name}  {target.activity}" if target.activity else target.name), target
    if rest:
        counts = Counter(target.state for target in rest)
        text = ", ".join(f"{counts[state]} {state.lower()}" for state in _URGENCY if counts[state])
        yield f"... {text}", Node("", state=rest[0].state)


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) < width else f"{text[: width - 2]}… "


def _with_last(items: Sequence[T]) -> Iterator[tuple[T, bool]]:
    for index, item in enumerate(items):
        yield item, index == len(items) - 1

"""How a bundle's build is shown: what, how far, how long still; never silent for long."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from installer.bundle.recipe import BuildEvent
from installer.cli.build_progress import Lines, line, shown
from installer.cli.output import Format, Output

EVENT = BuildEvent(
    kind="progress", title="Kubernetes 1.36.3", number=3, of=12, elapsed_s=130, remaining_s=300, detail="kubelet"
)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EVENT, "[3/12] Kubernetes 1.36.3: kubelet, 2m10s so far, about 5m00s left"),
        (replace(EVENT, kind="started", detail=""), "[3/12] Kubernetes 1.36.3, 2m10s so far, about 5m00s left"),
        (replace(EVENT, kind="waiting", detail="another moorage builds it"),
         "[3/12] Kubernetes 1.36.3: waiting: another moorage builds it, 2m10s so far, about 5m00s left"),
        (replace(EVENT, kind="done", detail="", remaining_s=0), "[3/12] Kubernetes 1.36.3: done, 2m10s so far"),
        (replace(EVENT, kind="fallback", detail="no route; built from source instead"),
         "[3/12] Kubernetes 1.36.3: no route; built from source instead, 2m10s so far, about 5m00s left"),
    ],
)  # fmt: skip
def test_a_line_tells_what_how_far_and_how_long_still(event: BuildEvent, text: str) -> None:
    """For each kind of event."""
    assert line(event) == text


def test_a_pipe_hears_progress_now_and_then_and_all_else_at_once() -> None:
    """Minutes of silence look like a hang, thousands of lines like noise."""
    stream = io.StringIO()
    lines = Lines(stream)
    lines(replace(EVENT, kind="started", elapsed_s=0))
    for second in range(60):
        lines(replace(EVENT, elapsed_s=second))
    lines(replace(EVENT, kind="done", elapsed_s=60))
    assert [text.split(", ")[1] for text in stream.getvalue().splitlines()] == [
        f"{when} so far" for when in ("0s", "15s", "30s", "45s", "1m00s")
    ]


def test_programs_get_every_event_as_json() -> None:
    """A JSON object a line."""
    stream = io.StringIO()
    with shown(Output(Format.JSON), stream) as on_event:
        on_event(EVENT)
        on_event(replace(EVENT, kind="done"))
    assert [json.loads(text)["event"] for text in stream.getvalue().splitlines()] == ["build-progress", "build-done"]


def test_a_terminal_has_one_line_that_changes_and_one_for_what_is_done() -> None:
    """Nothing else stays."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with shown(Output(), stream) as on_event:
        on_event(EVENT)
        on_event(replace(EVENT, kind="done", detail=""))
    assert "done, 2m10s so far" in stream.getvalue()

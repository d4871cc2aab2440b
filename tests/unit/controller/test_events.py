"""Events of our resources."""

from __future__ import annotations

from datetime import UTC, datetime

from lightkube import codecs

from installer.controller.events import document
from installer.controller.status import Happened

META = {"name": "team-a", "uid": "1", "resourceVersion": "7"}
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_an_event_is_where_kubectl_looks_for_it() -> None:
    """In `default`, about an object that has no namespace; and it is one that the client knows."""
    made = document("Cluster", META, Happened("NodeCreated", "node a"), moment=NOW, suffix="x")
    assert made["metadata"] == {"name": "team-a.x", "namespace": "default"}
    assert "namespace" not in made["involvedObject"]
    assert codecs.from_dict(made).message == "node a"
    assert made["type"] == "Normal"


def test_a_long_message_is_cut() -> None:
    """The API server would refuse it whole."""
    made = document("Cluster", META, Happened("DrainTimedOut", "x" * 2000, warning=True), moment=NOW, suffix="x")
    assert len(made["message"]) == 1024
    assert made["type"] == "Warning"

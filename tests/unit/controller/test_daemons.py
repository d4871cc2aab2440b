"""When daemons may begin, and what wakes them."""

from __future__ import annotations

from typing import Any

import pytest

from installer.controller import daemons


@pytest.mark.parametrize(
    ("metadata", "may"),
    [
        ({}, False),
        ({"finalizers": []}, False),
        ({"finalizers": ["somebody/else"]}, False),
        ({"finalizers": ["somebody/else", "moorage.dev/controller"]}, True),
    ],
)
def test_nothing_is_made_for_a_resource_that_could_go_unnoticed(metadata: dict[str, Any], may: bool) -> None:
    """Our finalizer is what makes Kubernetes ask us before it lets the resource go."""
    assert daemons.may_begin(metadata) is may


_METADATA: dict[str, Any] = {"uid": "1", "generation": 3, "labels": {}, "finalizers": ["moorage.dev/controller"]}


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        ({}, False),
        ({"resourceVersion": "18", "managedFields": [{"subresource": "status"}]}, False),
        ({"generation": 4}, True),
        ({"labels": {"stage": "two"}}, True),
        ({"annotations": {"moorage.dev/rotate": "now"}}, True),
        ({"finalizers": []}, True),
        ({"deletionTimestamp": "2026-11-28T21:00:00Z"}, True),
        ({"uid": "2"}, True),  # deleted, and made again under its name
    ],
)
def test_no_daemon_is_woken_by_the_status_that_it_wrote(change: dict[str, Any], woken: bool) -> None:
    """Else a pass that fails, and says so each time in other words, is followed by the next without a pause."""
    resources = daemons.Resources()
    assert resources.changed("team-a", _METADATA)
    assert resources.changed("team-a", _METADATA | change) is woken
    assert not resources.changed("team-a", _METADATA | change)


def test_a_resource_that_was_forgotten_is_new() -> None:
    resources = daemons.Resources()
    resources.changed("team-a", _METADATA)
    resources.forget("team-a")
    assert resources.changed("team-a", _METADATA)

"""When daemons may begin."""

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

"""Changes of resources, in words."""

from __future__ import annotations

import pytest

from installer.engine.plan import Action, Change
from installer.provision.changes import ResourceChange
from installer.workflows.steps import provide_hosts


@pytest.mark.parametrize(
    ("op", "more", "action", "summary"),
    [
        ("create", {}, Action.CREATE, "instance worker-1"),
        ("create", {"gone": True}, Action.CREATE, "instance worker-1, which is gone"),
        ("update", {"detail": ("tags",)}, Action.UPDATE, "instance worker-1"),
        ("replace", {}, Action.REPLACE, "instance worker-1"),
        (
            "replace",
            {"detail": ("ami", "instanceType")},
            Action.REPLACE,
            "instance worker-1, since ami, instanceType cannot change in place",
        ),
        ("delete", {}, Action.DELETE, "instance worker-1"),
    ],
)
def test_a_change_says_why(op: str, more: dict[str, object], action: Action, summary: str) -> None:
    """What is replaced, and what is made again, by what it is that asks for it."""
    change = ResourceChange(op=op, type="aws:ec2/instance:Instance", name="worker-1", urn="urn", **more)  # type: ignore[arg-type]
    assert provide_hosts._change("home", change) == Change("home", action, summary, change.detail)

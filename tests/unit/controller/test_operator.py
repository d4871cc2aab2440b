"""One pass of the controller over a cluster."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from installer.controller import daemons, operator
from installer.controller.clusters.pace import Pace
from installer.controller.clusters.reconciler import Look
from installer.controller.status import Condition, Found


def test_a_status_is_of_the_generation_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource may change in the middle of a pass, and kopf's view of it with it: that is for the next one."""
    body = SimpleNamespace(metadata={"generation": 1}, spec={"pools": 1}, status={})
    written: list[dict[str, Any]] = []

    def reconcile(resource: dict[str, Any]) -> Look:
        assert (resource["metadata"]["generation"], resource["spec"]) == (1, {"pools": 1})
        body.metadata, body.spec = {"generation": 2}, {"pools": 2}
        return Look(Found(conditions=(Condition("NodesReady", True, "Ready"),)), steady=True)

    async def tell(*_: Any) -> None:
        """No API is there to be told."""

    monkeypatch.setattr(daemons, "may_begin", lambda metadata: True)
    monkeypatch.setattr(daemons, "tell", tell)
    world = SimpleNamespace(
        api=SimpleNamespace(patch_status=lambda kind, name, status: written.append(status)),
        reconciler=lambda name: SimpleNamespace(reconcile=reconcile),
        pace=lambda name: Pace(),
        hosts=SimpleNamespace(decides_in=lambda: 1.0),
    )
    pause = asyncio.run(operator._one_pass(world, "team-a", body))  # type: ignore[arg-type]  # as far as they are used
    assert pause < 1  # the status may be what the next pass goes on from, and wakes nobody
    assert [(status["observedGeneration"], status["phase"]) for status in written] == [(1, "Ready")]

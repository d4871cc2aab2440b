"""No node is replaced while its control plane is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.controller.clusters.world import NEWER, OLDER, World


@pytest.mark.parametrize("version", [OLDER, NEWER])
@pytest.mark.parametrize("ready", [1, 0])
def test_nodes_wait_for_a_control_plane_that_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, ready: int
) -> None:
    """No kubelet is newer than an API server; and where nobody leads, Services lead to pods that were drained."""
    world = World(tmp_path, monkeypatch)
    world.keep(world.controller())
    before = world.pods()
    world.change(memory="3Gi")
    world.upgrade(version)
    world.serving = ready
    controller = world.controller()
    for _ in range(3):
        look = controller.reconcile(world.resource)
        assert look is not None
        assert not look.steady
    assert world.pods() == before
    world.serving = None
    world.keep(world.controller())
    assert not world.pods() & before

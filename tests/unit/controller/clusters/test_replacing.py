"""When nodes may be replaced while their control plane is, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.controller.clusters.world import NEWER, OLDER, World


@pytest.mark.parametrize(
    ("version", "ready", "replaced"),
    [
        (OLDER, 1, True),  # a new bundle, say, or an emptied host
        (NEWER, 1, False),  # a kubelet may be older than any API server, never newer
        (OLDER, 0, False),  # whoever cannot serve is mended first
    ],
)
def test_nodes_beside_a_control_plane_that_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, ready: int, replaced: bool
) -> None:
    """The bundle of a platform reaches a cluster in the time of the longer, not of both."""
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
    made = {name for name, _ in world.pods() - before}
    assert bool(made) is replaced

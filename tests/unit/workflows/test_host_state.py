"""What a host is to have besides files and units."""

from __future__ import annotations

import pytest

from installer.hostops.state import Module
from installer.kubernetes.issue import Issued
from installer.kubernetes.node import Traits
from installer.kubernetes.rendering import Rendered
from installer.workflows import host_state


@pytest.mark.parametrize(("nested", "there"), [(False, True), (True, False)])
def test_modules_that_its_part_needs_are_loaded_now_and_at_each_boot(*, nested: bool, there: bool) -> None:
    """A container has its machine's kernel: none is its to load."""
    part = Rendered(processes=(), files={}, certificates={}, modules=("wireguard",))
    state = host_state.host_state(part, Issued(new={}, kept=()), bundle_digest="d", traits=Traits(nested=nested))
    assert (Module("wireguard") in state.modules) == there
    texts = [str(file.content) for file in state.files if file.path == "/etc/modules-load.d/moorage.conf"]
    assert ["wireguard" in text.split() for text in texts] == ([True] if there else [])

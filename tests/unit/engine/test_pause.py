"""A platform held still."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.core.errors import LockError
from installer.engine.pause import Pause


def test_who_paused_is_named_until_it_goes_on(tmp_path: Path) -> None:
    """The first counts; a second pause changes nothing."""
    pause = Pause(tmp_path / "harbor" / "pause")
    pause.require_off()
    assert not pause.end()
    pause.begin()
    who = pause.by
    pause.begin()
    assert pause.on
    assert pause.by == who
    with pytest.raises(LockError, match=r"paused by .*@.* since ") as caught:
        pause.require_off()
    assert "moorage plan resume" in caught.value.hint
    assert pause.end()
    pause.require_off()

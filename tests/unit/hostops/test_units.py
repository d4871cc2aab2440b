"""How units are told to be, and when there is no hope for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from installer.core.errors import HostError
from installer.hostops import units
from installer.hostops.facts import SeenUnit
from installer.transport.connection import Connection

_SHOWN = """Id=etcd.service
ActiveState=active
SubState=running
UnitFileState=enabled
NRestarts=0

Id=kubelet.service
ActiveState=activating
SubState=auto-restart
UnitFileState=
NRestarts=7
"""


class _Host:
    """A host that says the same whatever it is asked."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.asked = lines, list[str]()

    def run(self, script: str, *, on_line: Callable[[str], None], **_: Any) -> None:
        self.asked.append(script)
        for line in self.lines:
            on_line(line)


def test_blocks_of_properties() -> None:
    """As `systemctl show` prints several units."""
    seen = units.parse(_SHOWN.splitlines())
    assert seen == {
        "etcd": SeenUnit("active", "running", "enabled", 0),
        "kubelet": SeenUnit("activating", "auto-restart", "none", 7),
    }
    assert units.not_up(seen) == "kubelet is activating (auto-restart)"
    assert units.not_up({"etcd": seen["etcd"]}) is None


def test_one_that_was_started_over_and_over_is_told_with_its_last_words() -> None:
    """Waiting on would not help."""
    host = _Host("failed to validate kubelet flags: unknown flag --no")
    with pytest.raises(HostError) as caught:
        units.require_hope(cast(Connection, host), units.parse(_SHOWN.splitlines()))
    assert caught.value.what == "kubelet does not come up: it ended 7 times since it was started"
    assert caught.value.last_lines == ("failed to validate kubelet flags: unknown flag --no",)
    assert caught.value.command == "systemctl restart kubelet"


def test_one_that_needed_a_second_start_is_waited_for() -> None:
    """Components lose races for ports and peers."""
    units.require_hope(cast(Connection, _Host()), {"kube-scheduler": SeenUnit("active", "running", "enabled", 2)})

"""Hosts that a specification no longer has, beside those that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.spec import leaving
from installer.spec.hosts import wanted_hosts
from installer.spec.platform import Platform
from installer.spec.specification import load
from tests.unit.spec.documents import onprem, platform

_M = "{name: m, role: manager, count: 1}"
_HALL = "{name: m-1, role: manager, address: 192.0.2.1}"


def _region(name: str, hosts: str) -> str:
    return f"{{name: {name}, provider: {{kind: local}}, hosts: [{hosts}]}}"


CASES = {
    "a group gets smaller": (
        platform(hosts=f"{_M}, {{name: w, role: worker, count: 3}}"),
        platform(hosts=f"{_M}, {{name: w, role: worker, count: 1}}"),
        "m-1 w-1 w-2 w-3",
    ),
    "a group gets larger": (
        platform(hosts=f"{_M}, {{name: w, role: worker, count: 1}}"),
        platform(hosts=f"{_M}, {{name: w, role: worker, count: 2}}"),
        "m-1 w-1 w-2",
    ),
    "another group in its place": (
        platform(hosts=f"{_M}, {{name: w, role: worker, count: 1}}"),
        platform(hosts=f"{_M}, {{name: v, role: worker, count: 1}}"),
        "m-1 v-1 w-1",
    ),
    "a region less": (
        platform(regions=f"{_region('north', '{name: w, role: worker}')}, {_region('home', _M)}"),
        platform(regions=_region("home", _M)),
        "m-1 w-1",
    ),
    "another machine": (
        onprem(f"{_HALL}, {{name: w-1, role: worker, address: 192.0.2.2}}"),
        onprem(f"{_HALL}, {{name: w-2, role: worker, address: 192.0.2.3}}"),
        "m-1 w-2 w-1",
    ),
    "another address": (onprem(_HALL), onprem(_HALL.replace("192.0.2.1", "192.0.2.9")), "m-1"),
}


@pytest.mark.parametrize(("before", "now", "hosts"), CASES.values(), ids=CASES)
def test_keeping(tmp_path: Path, before: str, now: str, hosts: str) -> None:
    """What is there now comes first, as it is now."""
    kept = leaving.keeping(_platform(tmp_path, before), _platform(tmp_path, now))
    assert [host.name for host in wanted_hosts(kept)] == hosts.split()
    wanted = wanted_hosts(_platform(tmp_path, now))
    assert {host.name: host.address for host in wanted}.items() <= {
        h.name: h.address for h in wanted_hosts(kept)
    }.items()


def _platform(folder: Path, text: str) -> Platform:
    path = folder / "platform.yaml"
    path.write_text(text)
    found = load(path).platform
    assert found
    return found

"""Hosts from a table, a list or a program, and what is wrong with them, by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.core.errors import SpecError
from installer.spec import specification
from installer.spec.specification import Specification, load
from tests.unit.spec.documents import platform

_TABLE = """name,role,address,port,zone,labels
m-1,manager,192.0.2.1,,a,
w-1,worker,192.0.2.2,2222,b,disk=ssd;rack=12
"""


def _spec(folder: Path, given: str, *, hosts: str = "") -> Path:
    path = folder / "platform.yaml"
    written = f", hosts: [{hosts}]" if hosts else ""
    region = f"{{name: hall, provider: {{kind: onprem}}{written}, inventory: {given}}}"
    path.write_text(platform(regions=region))
    return path


def _hosts(spec: Specification) -> list[tuple[str, str, str, int | None, str, dict[str, str]]]:
    assert spec.platform
    (region,) = spec.platform.spec.regions
    return [(h.name, h.role, h.address, h.port, h.zone, h.labels) for h in region.hosts]  # type: ignore[union-attr]


_FOUND = [
    ("m-1", "manager", "192.0.2.1", None, "a", {}),
    ("w-1", "worker", "192.0.2.2", 2222, "b", {"disk": "ssd", "rack": "12"}),
]


def test_a_table(tmp_path: Path) -> None:
    """A cell that is empty is not given."""
    (tmp_path / "hosts.csv").write_text(_TABLE)
    assert _hosts(load(_spec(tmp_path, "{file: hosts.csv}"))) == _FOUND


_LIST = """[{"name": "m-1", "role": "manager", "address": "192.0.2.1"},
 {"name": "w-1", "role": "worker", "address": "192.0.2.2", "port": 2222, "zone": "b",
  "labels": {"disk": "ssd", "rack": "12"}}]
"""


def test_a_list(tmp_path: Path) -> None:
    """JSON, or YAML."""
    (tmp_path / "hosts.json").write_text(_LIST)
    assert _hosts(load(_spec(tmp_path, "{file: hosts.json}"))) == _FOUND


def test_a_program(tmp_path: Path) -> None:
    """It runs beside the specification; what is written there comes first."""
    program = tmp_path / "list-hosts"
    program.write_text('#!/bin/sh\n[ "$1" = --json ] && cat hosts.json\n')
    program.chmod(0o755)
    (tmp_path / "hosts.json").write_text(_LIST)
    first = "{name: first, role: worker, address: 192.0.2.9}"
    found = _hosts(load(_spec(tmp_path, "{command: [./list-hosts, --json]}", hosts=first)))
    assert [host[0] for host in found] == ["first", "m-1", "w-1"]


def test_what_is_noted_has_the_hosts_themselves(tmp_path: Path) -> None:
    """A later run compares with what was provided, whatever the file says by then."""
    (tmp_path / "hosts.csv").write_text(_TABLE)
    noted = specification.to_text(load(_spec(tmp_path, "{file: hosts.csv}")))
    (tmp_path / "hosts.csv").unlink()
    assert _hosts(specification.load_text(noted, directory=tmp_path)) == _FOUND


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "hosts.csv",
            _TABLE.replace("worker", "wroker"),
            "hosts.csv:3: spec.regions[0].hosts[1].role: must be 'manager'",
        ),
        ("hosts.csv", _TABLE.replace("192.0.2.2", "192.0.2.1"), "hosts.csv:3: spec.regions[0].hosts[1]"),
        ("hosts.csv", _TABLE.replace("zone", "zoen"), "hosts.csv:1: no host has the key zoen"),
        ("hosts.csv", _TABLE + "w-2,worker,192.0.2.3,,a,,more\n", "hosts.csv:4: has more cells"),
        ("hosts.csv", _TABLE + 'w-2,"worker"x,192.0.2.3\n', "hosts.csv:4: not CSV"),
        ("hosts.csv", "name,role,address\n", "platform.yaml:6: spec.regions[0]: needs hosts"),
        ("hosts.json", _LIST.replace("192.0.2.2", "192.0.2.1"), "hosts.json:2: spec.regions[0].hosts[1]"),
        ("hosts.json", '{"m-1": {}}', "hosts.json:1: must be one list of hosts"),
        ("hosts.json", "[", "hosts.json:2: not YAML"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Also by checks that look at several hosts."""
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        load(_spec(tmp_path, f"{{file: {name}}}"))
    assert says in caught.value.what


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{file: hosts.csv}", "platform.yaml:6: spec.regions[0].inventory: cannot be read: "),
        ("{command: [./none]}", "spec.regions[0].inventory: cannot be read: ./none: No such file"),
        ('{command: [sh, -c, "echo no such rack >&2; exit 3"]}', "sh ended with 3: no such rack"),
        ("{}", "spec.regions[0].inventory: give either file or command"),
        ("hosts.csv", "spec.regions[0].inventory: give either file or command"),
    ],
)
def test_an_inventory_that_cannot_be_read(tmp_path: Path, given: str, says: str) -> None:
    """It is told before anything else is."""
    with pytest.raises(SpecError) as caught:
        load(_spec(tmp_path, given))
    assert says in caught.value.what

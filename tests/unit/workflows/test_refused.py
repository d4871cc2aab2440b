"""What a running platform refuses, by file, line and path."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.core.errors import SpecError, SshError
from installer.hostops.facts import Manifest
from installer.spec.specification import load
from installer.workflows import refused
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

_EMPTY, _RUNS = facts(), facts(manifest=Manifest(units={"kubelet.service": "1"}))
_TWO = "{name: manager, role: manager, count: 1}, {name: worker, role: worker, count: 2}"


def _faults(tmp_path: Path, old: str, new: str, seen: dict[str, object]) -> list[str]:
    path = tmp_path / "platform.yaml"
    path.write_text(old)
    before = load(path)
    path.write_text(new)
    session = sessions.provided(before, load(path), tmp_path, seen)  # type: ignore[arg-type]
    try:
        refused.require_allowed(session)
    except SpecError as exc:
        return [line.strip().removeprefix(f"{path}:") for line in exc.what.splitlines()[1:]]
    return []


def _all(seen: object) -> dict[str, object]:
    return dict.fromkeys(("manager-1", "worker-1", "worker-2"), seen)


def test_before_the_first_up_everything_is_allowed(tmp_path: Path) -> None:
    """There is nothing yet that could be contradicted."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    refused.require_allowed(sessions.session(load(path), tmp_path))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (platform(hosts=_TWO), []),
        (platform(hosts=_TWO.replace("count: 2", "count: 3")), []),
        (
            platform(hosts=_TWO, spec="  manager: {network: {domain: other.local}}\n"),
            ["7: spec.manager.network.domain: may not change after creation"],
        ),
        (
            platform(hosts=_TWO.replace("count: 1", "count: 3")),
            [
                "6: spec.regions[0].hosts[0]: manager-2 would join managers that run already, which is not supported"
                " yet: take it out",
                "6: spec.regions[0].hosts[0]: manager-3 would join managers that run already, which is not supported"
                " yet: take it out",
            ],
        ),
        (
            platform(hosts=_TWO.replace("count: 2", "count: 1")),
            [
                "6: spec.regions: no longer has worker-2, which carries the platform's nodes: put it back; removing"
                " hosts is not supported yet"
            ],
        ),
    ],
)
def test_a_platform_that_runs(tmp_path: Path, new: str, expected: list[str]) -> None:
    """Workers may be added; managers may not, nothing may go, and what is fixed stays."""
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_RUNS)) == expected


@pytest.mark.parametrize("count", ["count: 1", "count: 3"])
def test_hosts_that_carry_nothing_yet_may_come_and_go(tmp_path: Path, count: str) -> None:
    """A first `up` that failed its preflight leaves the number of hosts open, managers included."""
    new = platform(hosts=_TWO.replace("count: 1", count).replace("count: 2", "count: 1"))
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_EMPTY)) == []


def test_a_host_that_cannot_be_asked_may_carry_everything(tmp_path: Path) -> None:
    """What is not known is not given up."""
    new = platform(hosts=_TWO.replace("count: 2", "count: 1"))
    (fault,) = _faults(tmp_path, platform(hosts=_TWO), new, _all(_RUNS) | {"worker-2": SshError("it is gone")})
    assert "worker-2" in fault


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026.10", "2026.11", []),
        (
            "2026.11",
            "2026.10",
            [
                "5: spec.release: 2026.10 is older than 2026.11: what newer components have stored, older ones cannot"
                " read: set spec.release to 2026.11 again"
            ],
        ),
    ],
)
def test_a_release_is_reached_along_its_way(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    """And never by going back."""
    text = platform(hosts=_TWO)
    found = _faults(tmp_path, text.replace("2026.11", old), text.replace("2026.11", new), _all(_RUNS))
    assert found == expected


def test_a_release_in_between_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes first."""
    monkeypatch.setattr(refused, "way", lambda *_: ("2026.12", "2026.11"))
    text = platform(hosts=_TWO)
    assert _faults(tmp_path, text.replace("2026.11", "2026.10"), text, _all(_RUNS)) == [
        "5: spec.release: is reached from 2026.10 by way of 2026.12: `moorage up` with 2026.12 first"
    ]

"""Each region gets the bundle by itself, and hands it on among its own hosts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.engine.plan import Target
from installer.spec.specification import load
from installer.workflows.session import Session
from installer.workflows.steps import distribute_bundle
from installer.workflows.steps.distribute_bundle import DistributeBundle
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

_NEW = "d" * 64


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], float | None]]:
    """The hosts of each distribution, and what its link may be used for."""
    found: list[tuple[set[str], float | None]] = []

    def distribute(bundle: Any, addresses: dict[str, str], connect: Any, *, bytes_per_s: Any, **more: Any) -> None:
        found.append((set(addresses), bytes_per_s))

    monkeypatch.setattr(distribute_bundle.distribute, "distribute", distribute)
    return found


def _session(tmp_path: Path, *, have: set[str]) -> Session:
    """Managers in the north, workers in the south, a small place; `have`: who has the bundle."""
    regions = {
        "north": "{name: m, role: manager, count: 3}",
        "south": "{name: w, role: worker, count: 3}",
        "edge": "{name: e, role: worker}",
    }
    text = ", ".join(f"{{name: {n}, provider: {{kind: local}}, hosts: [{hosts}]}}" for n, hosts in regions.items())
    path = tmp_path / "platform.yaml"
    path.write_text(platform(regions=text))
    spec = load(path)
    names = ("m-1", "m-2", "m-3", "w-1", "w-2", "w-3", "e-1")
    seen = {name: facts(releases={_NEW: "2026.11"} if name in have else {}) for name in names}
    session = sessions.provided(spec, spec, tmp_path, seen)
    session.__dict__["bundle"] = SimpleNamespace(digest=_NEW)
    return session


@pytest.mark.parametrize(
    ("have", "region", "named"),
    [
        (set(), "north", ["m-1", "m-2", "m-3"]),
        (set(), "edge", ["e-1"]),
        ({"m-1", "m-2", "m-3"}, "south", ["w-1", "w-2", "w-3"]),
        ({"m-1", "w-2"}, "south", ["w-1", "w-3"]),
        ({"m-1", "w-2"}, "north", ["m-2", "m-3"]),
    ],
)
def test_a_region_is_sent_to_by_itself(
    tmp_path: Path, sent: list[Any], have: set[str], region: str, named: list[str]
) -> None:
    """Only hosts of that region lack something, get it or hand it on: what others have is no way for its own."""
    session, target = _session(tmp_path, have=have), Target("region", region)
    (change,) = DistributeBundle().plan(session, target)
    assert list(change.detail) == named
    DistributeBundle().run(session, target, SimpleNamespace(progress=None))  # type: ignore[arg-type]
    assert sent == [({name for name, host in session.hosts.items() if host.region == region}, None)]


def test_a_region_that_has_it_is_left_alone(tmp_path: Path) -> None:
    """Whatever others lack."""
    session = _session(tmp_path, have={"w-1", "w-2", "w-3"})
    assert DistributeBundle().plan(session, Target("region", "south")) == ()

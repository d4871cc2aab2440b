"""How many requests clusters cost: so many each, and none for what all of them share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.controller.clusters.many import OLD, Many

_READS = ("get ", "list ", "inside: get ", "inside: list ")
# Of each cluster, without nodes. More is no fault as such, but is to be meant.
MADE, ANEW, IDLE = 70, 50, 10


def _asked(many: Many, since: int = 0) -> list[str]:
    return many.life.calls[since:]


@pytest.fixture(scope="module")
def few_and_many(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What was asked for three clusters, and for six: as they are made, by a new controller, when nothing changes."""
    return tuple(_measured(count, tmp_path_factory.mktemp(f"c{count}")) for count in (3, 6))  # type: ignore[return-value]


def _measured(count: int, folder: Path) -> dict[str, list[str]]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        many = Many([f"c{number}" for number in range(count)], folder, monkeypatch, at_once=count)
        found = {"made": _asked(many)}
        many.start(OLD)
        many.look_at_all()
        found["anew"] = _asked(many)
        many.look_at_all()
        before = len(many.life.calls)
        many.look_at_all()
        # Here each look writes the status; the controller does where it is another.
        found["idle"] = [call for call in _asked(many, before) if not call.startswith("patch ClusterStatus ")]
    return found


@pytest.mark.parametrize(("phase", "each"), [("made", MADE), ("anew", ANEW), ("idle", IDLE)])
def test_twice_the_clusters_cost_twice_the_requests(
    few_and_many: tuple[dict[str, list[str]], dict[str, list[str]]], phase: str, each: int
) -> None:
    """And no cluster more than so many."""
    few, many = (len(found[phase]) for found in few_and_many)
    assert many <= 2 * few
    assert many <= 6 * each


def test_clusters_that_stay_as_they_are_cost_no_write(
    few_and_many: tuple[dict[str, list[str]], dict[str, list[str]]],
) -> None:
    """However many there are."""
    for found in few_and_many:
        assert [call for call in found["idle"] if not call.startswith(_READS)] == []

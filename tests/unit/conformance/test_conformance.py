"""What is run of the conformance suite, and how its outcome is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance import selection
from tests.conformance.run import Outcome, Results, names, outcomes


def spec(state: str, **changed: Any) -> dict[str, Any]:
    """A test as ginkgo reports it."""
    return {
        "LeafNodeType": "It",
        "ContainerHierarchyTexts": ["[sig-node] Pods", "of a kind"],
        "LeafNodeText": "should run [Conformance]",
        "State": state,
        "RunTime": 1_500_000_000,
        **changed,
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (spec("passed"), [Outcome("[sig-node] Pods of a kind should run [Conformance]", True, 1.5)]),
        (
            spec("failed", Failure={"Message": "timed out\n  waiting"}),
            [Outcome("[sig-node] Pods of a kind should run [Conformance]", False, 1.5, "timed out waiting")],
        ),
        (
            spec("timedout"),
            [Outcome("[sig-node] Pods of a kind should run [Conformance]", False, 1.5, "timedout")],
        ),
        (spec("skipped"), []),
        (spec("passed", LeafNodeType="BeforeSuite"), []),
    ],
)
def test_a_report_is_read(found: dict[str, Any], expected: list[Outcome]) -> None:
    """What did not pass has failed; what did not run is no outcome."""
    assert outcomes([{"SpecReports": [found]}]) == expected


def test_a_suite_that_could_not_begin_is_no_success() -> None:
    """A failed node before all tests leaves no test behind."""
    assert outcomes([{"SpecReports": None}]) == []


def test_the_document_counts() -> None:
    """For tools."""
    results = Results([Outcome("b", True, 1.0), Outcome("a", False, 2.0, "why")])
    document = results.document()
    assert (document["passed"], document["failed"]) == (1, 1)
    assert [one["name"] for one in document["tests"]] == ["a", "b"]


def test_names_are_those_of_the_suites_own_list(tmp_path: Path) -> None:
    """Long ones are folded there."""
    (tmp_path / "list.yaml").write_text("- testname: x\n  codename: '[sig-node] Pods should\n    run [Conformance]'\n")
    assert names(tmp_path / "list.yaml") == ["[sig-node] Pods should run [Conformance]"]


def test_selections_are_parts_of_one_another() -> None:
    """Half an hour has some of those that need the cluster to themselves; nothing that cannot pass is run."""
    some = [f"test {number}{' [Serial]' if number % 5 == 0 else ''} [Conformance]" for number in range(20)]
    every = [*selection.CANNOT, *selection.SHORT, *some]
    full, half = selection.select(every, "full"), selection.select(every, "half-hour")
    assert set(full) == set(every) - set(selection.CANNOT)
    assert set(half) < set(full)
    assert any("[Serial]" in name for name in half)
    assert selection.select(every, "short") == list(selection.SHORT)


def test_a_table_that_names_no_test_is_an_error() -> None:
    """Kubernetes renames tests."""
    with pytest.raises(ValueError, match="no conformance tests"):
        selection.select(["another [Conformance]"], "full")

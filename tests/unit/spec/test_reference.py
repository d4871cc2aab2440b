"""The reference page says what the models say."""

from __future__ import annotations

from tests.conftest import Golden
from tests.unit.spec.reference import reference


def test_the_page_is_written_from_the_models(golden: Golden) -> None:
    """A field that is added or changed is seen there."""
    golden("../../docs/reference/specification.md", reference())


def test_every_field_has_a_meaning() -> None:
    """No row of the tables ends in an empty cell, but for what every document begins with."""
    bare = [line for line in reference().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert [line.split("`")[1] for line in bare] == ["apiVersion", "kind"] * 2

"""`moorage report density`: its table, its JSON, its picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from installer.cli import density_picture, tables
from installer.core.errors import ExitCode
from installer.workflows.density import Density
from tests.conftest import Golden
from tests.unit.cli.conftest import FakeSessions, Moorage
from tests.unit.cli.density import EMPTY, FOUND


def test_the_table(golden: Golden) -> None:
    """Clusters, what they share, the sum, and what was not measured."""
    golden("cli/density.txt", tables.density(FOUND) + "\n\n" + tables.density(EMPTY) + "\n")


def test_the_picture(golden: Golden) -> None:
    """Looked at by a person; a changed line is to be looked at again."""
    golden("cli/density.svg", density_picture.svg(FOUND))


@pytest.mark.parametrize("found", [FOUND, EMPTY])
def test_the_picture_is_xml_and_stays_inside_its_frame(found: Density) -> None:
    """Names are escaped, and the longest bar leaves room for what stands behind it."""
    root = ElementTree.fromstring(density_picture.svg(found))  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
        if "x" in shape.attrib:
            assert float(shape.attrib["x"]) + float(shape.attrib["width"]) <= width - 140
            assert float(shape.attrib["y"]) + float(shape.attrib["height"]) <= height


def test_the_command_writes_the_picture_and_the_result(
    moorage: Moorage, sessions: FakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both, and in JSON nothing is lost."""
    monkeypatch.setattr("installer.workflows.density.report", lambda session: FOUND)
    result = moorage("report", "density", "--svg", "density.svg", "-o", "json")
    assert result.code == 0
    assert json.loads(result.out) == FOUND.to_json()
    assert Path("density.svg").read_text() == density_picture.svg(FOUND)


def test_a_picture_that_cannot_be_written_is_named(
    moorage: Moorage, sessions: FakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it."""
    monkeypatch.setattr("installer.workflows.density.report", lambda session: FOUND)
    result = moorage("report", "density", "--svg", "no/such/density.svg")
    assert result.code == ExitCode.FAILED
    assert "no/such/density.svg" in result.err

"""What the command says of itself: help texts, the pages made from them, and how soon it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from installer.core.errors import ExitCode
from tests.conftest import Golden
from tests.unit.cli.conftest import Moorage
from tests.unit.cli.helping import commands, page

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("words", commands(), ids=lambda words: "-".join(words) or "moorage")
def test_every_help_is_as_reviewed(moorage: Moorage, golden: Golden, words: tuple[str, ...]) -> None:
    """Every changed line is seen."""
    result = moorage(*words, "--help")
    assert result.code == 0
    golden(f"cli/help/{'-'.join(words) or 'moorage'}.txt", result.out)


def test_the_page_of_the_command_line_is_written_from_the_help(moorage: Moorage, golden: Golden) -> None:
    """What it says is what there is."""
    golden("../../docs/reference/command-line.md", page(lambda *words: moorage(*words, "--help").out))


def test_the_page_of_exit_codes_names_every_one() -> None:
    """Name and number; they are part of the interface."""
    rows = [line.split("|") for line in (DOCS / "exit-codes.md").read_text().splitlines() if line.startswith("| ")]
    told = {int(row[1]): row[2].strip(" `") for row in rows[2:]}
    assert told == {int(code): code.name.lower() for code in ExitCode}


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"pydantic", "rich", "pulumi", "paramiko", "lightkube", "yaml", "ruamel"}),
        (["version"], {"rich", "pulumi", "paramiko", "lightkube", "yaml", "ruamel"}),
        (["init", "--schema"], {"rich", "pulumi", "paramiko", "lightkube"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], absent: set[str]) -> None:
    """Loading is most of the time a short command takes."""
    code = (
        "import sys; from installer.cli.main import run; run(sys.argv[1:]);"
        "print('\\nLOADED', *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & absent


def test_listing_clusters_loads_only_what_asks_an_api() -> None:
    """Whoever only reads the manager's API waits neither for an infrastructure engine, nor SSH, nor a live tree."""
    code = (
        "import sys, installer.cli.sessions, installer.cli.tables, installer.workflows.clusters;"
        "from installer.cli.output import Output; Output().reporter();"
        "print(sorted({'pulumi', 'paramiko', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["up", "--no-such"], ["nonsense"], ["cluster"], ["plan"]])
def test_a_wrong_command_line_is_not_pending_changes(moorage: Moorage, arguments: list[str]) -> None:
    """2 has a meaning of its own."""
    assert moorage(*arguments).code == ExitCode.USAGE

"""The commands for saved plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from installer.cli.command import Common, command


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "show")(show)


def show(
    common: Common, saved_plan: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `preview --save`.")]
) -> None:
    """Show a saved plan."""
    from installer.cli import plan_text
    from installer.engine import saved

    plan = saved.load(saved_plan)
    common.out.result(plan_text.whole(plan, detail=True), plan)

"""The commands that report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from installer.cli.command import Common, command
from installer.core.errors import InstallerError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "density")(density)


def density(
    common: Common,
    *,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a picture of it, too.", show_default=False)
    ] = None,
) -> None:
    """Compare the clusters with the same as virtual machines.

    One VM a node, and one, three or five for a control plane with its etcd. The sizes are those of `spec.report`.
    """
    from installer.cli import density_picture, sessions, tables
    from installer.workflows import density as workflow

    with sessions.opened(common) as session:
        found = workflow.report(session)
    if svg is not None:
        try:
            svg.write_text(density_picture.svg(found), encoding="utf-8")
        except OSError as exc:
            raise InstallerError(
                f"cannot write {svg}: {exc.strerror}", hint="name a file in a directory that you may write to"
            ) from exc
        common.out.say(f"The picture is {svg}.")
    common.out.result(tables.density(found), found)

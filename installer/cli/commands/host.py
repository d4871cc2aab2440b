"""The commands for hosts."""

from __future__ import annotations

import typer

from installer.cli.command import Common, command


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "list")(list_)


def list_(common: Common) -> None:
    """List the platform's hosts."""
    from installer.cli import sessions, tables
    from installer.workflows import hosts as workflow

    with sessions.opened(common) as session:
        found = workflow.list_(session)
    common.out.result(tables.hosts(found), found)

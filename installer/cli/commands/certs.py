"""The commands for certificates: show, renew."""

from __future__ import annotations

import typer

from installer.cli.command import Common, command
from installer.cli.commands.platform import Yes


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "show")(show)
    command(app, "renew")(renew)


def show(common: Common) -> None:
    """Show until when each certificate is valid, those that end first first."""
    from installer.cli import sessions, tables
    from installer.workflows import certificates as workflow

    with sessions.opened(common) as session:
        found = workflow.list_(session)
    common.out.result(tables.certificates(found), found)


def renew(common: Common, *, yes: Yes = False) -> None:
    """Make every certificate on the hosts anew, host after host.

    Not needed as a rule: `up` renews them after two thirds of their life, and the controller those of clusters.
    """
    from installer.cli import bring_up, plan_text, sessions
    from installer.workflows import certificates as workflow

    with sessions.opened(common, yes=yes) as session:
        if not yes:
            bring_up.ask(common, f"Make the certificates of {len(session.hosts)} hosts anew?")
        result = workflow.renew(session)
    common.out.result(plan_text.done(result.changed, result.seconds), result)

"""The commands for the state: export, import, unlock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from installer.cli.command import Common, command
from installer.cli.commands.platform import Yes
from installer.core.errors import InstallerError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "export")(export)
    command(app, "import")(import_)
    command(app, "unlock")(unlock)


def export(common: Common, path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")]) -> None:
    """Write the state of all stacks, with the root secrets, to one file.

    Secrets in it are encrypted as they are in the state: it is worth as much as the passphrase that opens it.
    """
    from installer.cli import sessions
    from installer.workflows import state as workflow

    with sessions.opened(common) as session:
        exported = workflow.export(session)
    exported.write(path)
    names = [stack.name for stack in exported.stacks]
    common.out.result(f"{path} has {len(names)} stacks: {', '.join(names)}", {"file": str(path), "stacks": names})


def import_(
    common: Common,
    path: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Of `moorage state export`.")] = None,
    *,
    backup: Annotated[bool, typer.Option("--backup", help="Put back the backup of what is damaged instead.")] = False,
    over_newer: Annotated[bool, typer.Option("--over-newer", help="Also over a newer state, or another's.")] = False,
    yes: Yes = False,
) -> None:
    """Make an exported state the platform's, in whichever backend --state names."""
    from installer.cli import bring_up, sessions
    from installer.provision import exported
    from installer.workflows import state as workflow

    if (path is None) is not backup:
        raise InstallerError("what is to be imported?", hint="give FILE, or --backup")
    if path is None:
        if not yes:
            bring_up.ask(common, "Put back what was written before the last operation, wherever a state is damaged?")
        with sessions.opened(common, yes=yes) as session:
            mended = workflow.put_backups_back(session)
        text = f"The backup was put back of: {', '.join(mended)}." if mended else "Nothing is damaged."
        common.out.result(text, {"stacks": list(mended)})
        return
    given = exported.load(path)
    names = [stack.name for stack in given.stacks]
    with sessions.opened(common, yes=yes) as session:
        if not yes:
            bring_up.ask(common, f"Make {path} the state of platform {given.platform}?")
        workflow.import_(session, given, over_newer=over_newer)
    common.out.result(f"{len(names)} stacks are imported: {', '.join(names)}", {"stacks": names})


def unlock(common: Common, *, yes: Yes = False) -> None:
    """Take off locks of runs that were killed.

    Moorage's own end by themselves; those of the pulumi CLI do not. A run that lives is named, and keeps its lock.
    """
    from installer.cli import bring_up, sessions
    from installer.workflows import state as workflow

    with sessions.opened(common, yes=yes) as session:
        found = workflow.locked(session)
        lines = [f"stack {one.stack}: locked by {one.holder}" for one in found]
        if not yes:
            common.out.say("\n".join(lines) or "There is no lock in the state.")
            bring_up.ask(common, "Take them off? Nobody may be at work." if found else "Look for a run that is gone?")
        workflow.unlock(session)
    data = [{"stack": one.stack, "holder": one.holder} for one in found]
    common.out.result("\n".join([*lines, "The platform is not locked."]), {"locks": data})

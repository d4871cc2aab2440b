"""The entry of the `moorage` command: all commands together, and how its process ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from installer.cli.command import group
from installer.cli.commands import bundle, certs, cluster, host, platform, report, state, upgrades
from installer.core.errors import ExitCode

_HELP = """Kubernetes clusters on machines anywhere, from one specification.

Start with `moorage init`, look with `moorage preview`, go with `moorage up`."""


def app() -> typer.Typer:
    """The command with all its subcommands."""
    root = typer.Typer(
        name="moorage",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    platform.register(root)
    upgrades.register(root)
    for name, text, register in (
        ("cluster", "Clusters that the manager hosts.", cluster.register),
        ("host", "Hosts of the platform.", host.register),
        ("bundle", "Releases and the artefacts they are made of.", bundle.register),
        ("plan", "The plan that is under way, and saved ones.", upgrades.register_plan),
        ("certs", "Certificates of the platform.", certs.register),
        ("state", "The state that a team shares: its copies and its locks.", state.register),
        ("report", "Reports on a platform.", report.register),
    ):
        commands = group(name, text)
        register(commands)
        root.add_typer(commands)
    return root


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code it ends with."""
    try:
        # Not standalone: typer would end the process itself, with 2 for a wrong option.
        code = app()(args=arguments, prog_name="moorage", standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except typer.TyperException as exc:
        exc.show()  # type: ignore[attr-defined]  # every exception of the parser has it
        return ExitCode.USAGE
    return code or ExitCode.DONE


def main() -> None:
    """The console script."""
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if code == ExitCode.INTERRUPTED:
        # Python would wait for the threads of the steps that the user has just asked twice to leave.
        os._exit(code)
    sys.exit(code)

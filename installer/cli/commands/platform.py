"""The commands for a platform as a whole: init, preview, up, destroy, status, preflight, version."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from installer.cli.command import Common, command
from installer.core.errors import ExitCode

# Workflows, and the models below them, load inside the commands: `--help` needs none of them and is there at once.

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Let this preflight check warn instead of fail; may be given several times."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for name, function in (
        ("init", init),
        ("preflight", preflight),
        ("preview", preview),
        ("up", up),
        ("status", status),
        ("destroy", destroy),
        ("version", version),
    ):
        command(app, name, markdown=function is preview)(function)


def init(
    common: Common,
    provider: Annotated[
        str, typer.Argument(help="local: this machine; onprem: machines that exist; aws; azure; gcp.")
    ] = "local",
    *,
    schema: Annotated[bool, typer.Option("--schema", help="Write the JSON Schema for editors to stdout.")] = False,
) -> None:
    """Write a commented specification to start from."""
    from installer.cli import starting

    if schema:
        common.out.raw(json.dumps(starting.schema(), indent=2) + "\n")
        return
    starting.write(provider, common.file)
    common.out.result(
        f"{common.file} is written: look through it, then run `moorage preview`", {"file": str(common.file)}
    )


def preview(
    common: Common,
    *,
    detailed_exitcode: Annotated[bool, typer.Option("--detailed-exitcode", help="End with 2 on changes.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the plan for `up --plan`.")] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="MOORAGE_PRICES", help="Prices to use over the list prices.")
    ] = None,
) -> None:
    """Show what `up` would do, without doing it."""
    from installer.cli import plan_markdown, plan_text, sessions
    from installer.engine import saved
    from installer.workflows import preview as workflow

    with sessions.opened(common) as session:
        plan = workflow.with_costs(session, workflow.preview(session), prices)
    if save is not None:
        saved.save(plan, save)
    text = plan_text.whole(plan, detail=common.verbose > 0)
    common.out.result(text, plan, markdown=plan_markdown.whole(plan))
    if detailed_exitcode and not plan.empty:
        raise typer.Exit(ExitCode.CHANGES_PENDING)


def up(
    common: Common,
    *,
    plan: Annotated[Path | None, typer.Option(metavar="FILE", help="Do what this saved plan says, or nothing.")] = None,
    yes: Yes = False,
    ignore: Ignore = None,
) -> None:
    """Bring the platform to what its specification says."""
    from installer.cli import bring_up, plan_text

    result = bring_up.bring_up(common, plan=plan, yes=yes, ignore=ignore)
    common.out.result(plan_text.done(result.changed, result.seconds), result)


def destroy(common: Common, *, yes: Yes = False) -> None:
    """Remove the platform and all that was made for it."""
    from installer.cli import bring_up, plan_text, sessions
    from installer.workflows import destroy as workflow

    with sessions.opened(common, yes=yes) as session:
        plan = workflow.preview(session)
        if not plan.empty and not yes:
            common.out.say(plan_text.whole(plan, detail=common.verbose > 0))
            bring_up.ask(common, "Destroy all this? It cannot be taken back.")
        result = workflow.destroy(session)
    common.out.result(plan_text.done(result.changed, result.seconds), result)


def status(common: Common) -> None:
    """Show how hosts, manager and clusters are."""
    from installer.cli import sessions, tables
    from installer.workflows import status as workflow

    with sessions.opened(common) as session:
        found = workflow.status(session)
    common.out.result(tables.status(found), found)


def preflight(common: Common, *, ignore: Ignore = None) -> None:
    """Check the hosts without changing them."""
    from installer.cli import sessions, tables
    from installer.workflows import preflight as workflow

    with sessions.opened(common, ignore=ignore) as session:
        report = workflow.preflight(session, frozenset(ignore or ()))
    common.out.result(tables.preflight(report), report)
    if report.failed:
        raise typer.Exit(ExitCode.PREFLIGHT)


def version(common: Common) -> None:
    """Show the version of Moorage."""
    number = metadata.version("moorage")
    common.out.result(f"moorage {number}", {"version": number})

"""The commands that bring a platform from release to release: upgrade, rollback, and the plan that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from installer.cli.command import Common, command
from installer.cli.commands.platform import Ignore, Yes
from installer.core.errors import InstallerError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "upgrade")(upgrade)
    command(app, "rollback")(rollback)


def register_plan(app: typer.Typer) -> None:
    """Add the commands for plans to `app`."""
    for name, function in (("show", show), ("pause", pause), ("resume", resume), ("retry", retry)):
        command(app, name, markdown=function is show)(function)


def upgrade(
    common: Common,
    *,
    to: Annotated[str, typer.Option(metavar="RELEASE", help="The release; it is written into the specification.")] = "",
    yes: Yes = False,
    ignore: Ignore = None,
) -> None:
    """Bring the platform to another release, by way of those in between."""
    from installer.bundle.release import load_release
    from installer.cli import bring_up, plan_text, sessions
    from installer.spec import specification
    from installer.workflows import upgrade as workflow

    target = load_release(to).name if to else ""
    with sessions.opened(common, ignore=ignore, release=target) as session:
        stops = workflow.stops(session)

    def write() -> None:
        from installer.cli import loading

        spec = loading.load(common)
        if spec.platform and spec.platform.spec.release != stops[-1]:
            file = specification.write_release(spec, stops[-1])
            common.out.say(f"{file}: spec.release is {stops[-1]} now")

    seconds, changed = 0.0, False
    for stop in stops:
        result = bring_up.bring_up(common, command=workflow.COMMAND, release=stop, yes=yes, ignore=ignore, before=write)
        seconds, changed = seconds + result.seconds, changed or result.changed
    common.out.result(plan_text.done(changed, seconds), {"releases": stops, "changed": changed, "seconds": seconds})


def rollback(common: Common, *, yes: Yes = False) -> None:
    """Put hosts back on the release they had before, where that is safe."""
    from installer.cli import bring_up, loading, plan_text, sessions
    from installer.spec import specification
    from installer.workflows import rollback as workflow
    from installer.workflows import way

    with sessions.opened(common, yes=yes) as session:
        plan, staying = workflow.preview(session), way.staying(session)
        for name, reason in staying.items():
            common.out.say(f"{name} stays: {reason}")
        if not plan.empty and not yes:
            common.out.say(plan_text.whole(plan, detail=common.verbose > 0))
            bring_up.ask(common, "Put these back?")
        result = workflow.rollback(session)
        common_release = workflow.common_release(session)
    spec = loading.load(common)
    if common_release and spec.platform and spec.platform.spec.release != common_release:
        file = specification.write_release(spec, common_release)
        common.out.say(f"{file}: spec.release is {common_release} now; `moorage up` brings the rest back to it")
    common.out.result(plan_text.done(result.changed, result.seconds), {**vars(result), "staying": staying})


def show(
    common: Common,
    saved_plan: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A file of `preview --save`.")] = None,
) -> None:
    """Show how far the last plan came, or a saved one."""
    from installer.cli import plan_markdown, plan_text, sessions
    from installer.engine import saved
    from installer.workflows import runs

    if saved_plan is not None:
        plan = saved.load(saved_plan)
        common.out.result(plan_text.whole(plan, detail=True), plan, markdown=plan_markdown.whole(plan))
        return
    with sessions.opened(common) as session:
        last, held = runs.last(session), runs.pause(session).by
    told = plan_text.last_run(last, held)
    common.out.result(told, {"paused": held, "run": last}, markdown=f"```text\n{told}\n```")


def pause(common: Common) -> None:
    """Stop the plan that runs before its next step, and let no other start."""
    from installer.cli import sessions
    from installer.workflows import runs

    with sessions.opened(common) as session:
        runs.pause(session).begin()
    common.out.result("Paused: running steps come to their end. `moorage plan resume` goes on.", {"paused": True})


def resume(common: Common, *, yes: Yes = False, ignore: Ignore = None) -> None:
    """Let a paused platform go on with what it was at."""
    from installer.cli import sessions
    from installer.workflows import runs

    with sessions.opened(common) as session:
        was = runs.pause(session).end()
    if not was:
        common.out.say("The platform was not paused.")
    _repeat(common, yes=yes, ignore=ignore)


def retry(common: Common, *, yes: Yes = False, ignore: Ignore = None) -> None:
    """Do again what failed, or was cut off, from where it stands."""
    _repeat(common, yes=yes, ignore=ignore)


def _repeat(common: Common, *, yes: bool, ignore: list[str] | None) -> None:
    from installer.cli import bring_up, plan_text, sessions
    from installer.cli.commands import certs, cluster
    from installer.engine.events import Outcome
    from installer.workflows import certificates, cluster_move, cluster_upgrade, rotation, runs, up
    from installer.workflows import rollback as rollback_workflow
    from installer.workflows import upgrade as upgrade_workflow

    with sessions.opened(common) as session:
        last = runs.last(session)
    if last is None or last.outcome is Outcome.DONE:
        common.out.result("Nothing to go on with: the last plan came to its end.", {"changed": False})
        return
    common.out.say(f"Going on with `{last.command}`.")
    match last.command:
        case up.COMMAND:
            result = bring_up.bring_up(common, yes=yes, ignore=ignore)
            common.out.result(plan_text.done(result.changed, result.seconds), result)
        case upgrade_workflow.COMMAND:
            upgrade(common, yes=yes, ignore=ignore)
        case rollback_workflow.COMMAND:
            rollback(common, yes=yes)
        case rotation.COMMAND:
            certs.rotate(common, yes=yes)
        case certificates.COMMAND:
            certs.renew(common, yes=yes)
        case cluster_move.COMMAND if last.arguments:
            cluster.move(common, last.arguments["cluster"], to_region=last.arguments["region"], yes=yes, ignore=ignore)
        case cluster_upgrade.COMMAND if last.arguments:
            versions = last.arguments["versions"]
            cluster.upgrade(
                common,
                list(versions),
                to=next(iter(versions.values())),
                at_once=last.arguments["at_once"],
                max_failures=last.arguments["tolerates"],
                yes=yes,
                ignore=ignore,
            )
        case _:
            raise InstallerError(f"`{last.command}` is not repeated by itself", hint=f"`{last.command}`")

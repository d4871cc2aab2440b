"""The commands for certificates: show, renew, rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from installer.cli.command import Common, command
from installer.cli.commands.platform import Yes

if TYPE_CHECKING:  # workflows load inside the commands
    from installer.workflows.session import Session


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "show")(show)
    command(app, "renew")(renew)
    command(app, "rotate")(rotate)


def show(common: Common) -> None:
    """Show until when each certificate is valid, those that end first first.

    While authorities are replaced by others, it says in which stage that is.
    """
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


def rotate(
    common: Common,
    *,
    cluster: Annotated[str, typer.Option(metavar="NAME", help="Those of a cluster, not those of the manager.")] = "",
    hold: Annotated[bool, typer.Option("--hold", help="Stop once both are trusted; without it, go on.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show what the next stage changes, and stop.")] = False,
    yes: Yes = False,
) -> None:
    """Replace certificate authorities by others: trust both, issue anew, trust the new ones alone.

    Each stage is an `up`; a run that was cut off goes on when this is repeated. Pods that ask the API and read only at
    start whom they trust must start anew while both are trusted: see docs/how-to/certificates.md.
    """
    from installer.cli import plan_text, sessions
    from installer.workflows import rotation as workflow

    with sessions.opened(common, yes=yes) as session:
        if cluster:
            _rotate_cluster(common, session, cluster, hold=hold, yes=yes, preview=preview)
            return
        if preview:
            plan = workflow.next_plan(session)
            common.out.result(plan_text.whole(plan, detail=common.verbose > 0), plan)
            return
        if not yes:
            _ask(common, session)
        result = workflow.rotate(session, hold=hold)
        stage = workflow.told(session.roots.stage)
    common.out.result(f"{plan_text.done(result.changed, result.seconds)} Authorities: {stage}.", result)


def _ask(common: Common, session: Session) -> None:
    from installer.cli import bring_up, plan_text
    from installer.workflows import rotation as workflow

    common.out.say(plan_text.whole(workflow.next_plan(session), detail=common.verbose > 0))
    bring_up.ask(common, "This is the next stage; each of the others changes as much. Replace the authorities?")


def _rotate_cluster(common: Common, session: Session, name: str, *, hold: bool, yes: bool, preview: bool) -> None:
    from installer.cli import bring_up
    from installer.core.errors import InstallerError
    from installer.workflows import rotation as workflow

    if preview:
        raise InstallerError("--preview is for the manager", hint="leave --cluster out")
    if not yes:
        bring_up.ask(
            common, f"Replace the authorities of cluster {name}? Kubeconfigs from before end with the old ones."
        )
    stage = workflow.rotate_cluster(session, name, hold=hold, waiting=common.out.say)
    told = workflow.told(stage)
    common.out.result(
        f"Authorities of cluster {name}: {told}. Its kubeconfig: `moorage cluster kubeconfig {name}`",
        {"cluster": name, "stage": str(stage)},
    )

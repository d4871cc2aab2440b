"""Show what is to be done to a platform, ask, and do it: what `up` and `upgrade` have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from installer.cli import plan_text, sessions
from installer.cli.command import Common
from installer.core.errors import InstallerError
from installer.engine import saved
from installer.engine.runner import RunResult
from installer.workflows import preview, up


def bring_up(
    common: Common,
    *,
    command: str = up.COMMAND,
    plan: Path | None = None,
    release: str = "",
    yes: bool = False,
    ignore: list[str] | None = None,
    before: Callable[[], None] = lambda: None,
) -> RunResult:
    """Bring the platform to its specification, or to another `release` than that says; raises InstallerError.

    `before` is called once it is clear that it is to be done.
    """
    wanted = saved.load(plan) if plan else None
    with sessions.opened(common, yes=yes, ignore=ignore, release=release) as session:
        if wanted is None and not yes:
            wanted = preview.preview(session)
            if not wanted.empty:
                common.out.say(plan_text.whole(wanted, detail=common.verbose > 0))
                ask(common, "Do this?")
        before()
        return up.up(session, wanted, command=command)


def ask(common: Common, question: str) -> None:
    """Return when the user agrees; raises InstallerError otherwise."""
    if not common.out.confirmed(question):
        raise InstallerError("not confirmed: nothing was changed")

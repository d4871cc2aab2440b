"""What all commands share: their options, and the border at which an error becomes an exit code."""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from installer.cli.output import Format, Output
from installer.core.errors import InstallerError


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command is told; each field is an option."""

    file: Annotated[
        Path, typer.Option("-f", "--file", help="The specification: a YAML file, or a directory of them.")
    ] = Path("platform.yaml")
    state: Annotated[
        str,
        typer.Option(
            envvar="MOORAGE_STATE",
            show_default=".moorage beside the specification",
            help="Where the state is kept: a directory or a Pulumi backend URL.",
        ),
    ] = ""
    output: Annotated[
        Format,
        typer.Option("-o", "--output", help="Text for people, JSON for programs, Markdown of plans for comments."),
    ] = Format.TEXT
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Tell more; -vv: all there is.")
    ] = 0
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR=1 does the same.")] = False

    @property
    def out(self) -> Output:
        colour = not (self.no_color or os.environ.get("NO_COLOR"))
        return Output(self.output, colour=colour, verbose=self.verbose > 0)

    @property
    def directory(self) -> Path:
        """Where the specification lies."""
        return self.file if self.file.is_dir() else self.file.parent

    @property
    def state_url(self) -> str:
        """The state as a Pulumi backend URL."""
        if "://" in self.state:
            return self.state
        return (Path(self.state) if self.state else self.directory / ".moorage").absolute().as_uri()


Function = Callable[..., None]


def command(app: typer.Typer, name: str | None = None, *, markdown: bool = False) -> Callable[[Function], Function]:
    """Register a function as a command; `markdown`: its result can be written as that.

    It takes a Common first, whose fields the user sees as options. An InstallerError that it raises is explained to
    the user and becomes the exit code; anything else is a bug, and Python's traceback is what its finder needs.
    """
    shared = inspect.signature(Common).parameters.values()
    hints = get_type_hints(Common, include_extras=True)

    def register(function: Function) -> Function:
        @functools.wraps(function)
        def call(**given: Any) -> None:
            common = Common(**{parameter.name: given.pop(parameter.name) for parameter in shared})
            if common.output is Format.MARKDOWN and not markdown:
                raise typer.BadParameter("-o markdown: only for `preview` and `plan show FILE`")
            _log_to_stderr(common.verbose)
            try:
                function(common, **given)
            except InstallerError as exc:
                common.out.error(exc)
                raise typer.Exit(exc.exit_code) from exc

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = [parameter.replace(annotation=hints[parameter.name]) for parameter in shared]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *added)]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return app.command(name)(call)

    return register


def group(name: str, text: str) -> typer.Typer:
    """An empty group of commands; help is plain text, which loads in half the time of coloured boxes."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


def _log_to_stderr(verbose: int) -> None:
    level = {0: logging.ERROR, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

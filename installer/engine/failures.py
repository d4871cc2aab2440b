"""The failures of one phase as one error that hides none of them."""

from __future__ import annotations

from collections.abc import Sequence

from installer.core.errors import ExitCode, InstallerError
from installer.engine.plan import Target


class SeveralFailuresError(InstallerError):
    """More than one target failed; the exit code is that of the first."""

    def __init__(self, errors: Sequence[InstallerError]) -> None:
        super().__init__(f"{len(errors)} targets failed")
        self.errors = tuple(errors)
        self.exit_code = errors[0].exit_code

    def explain(self) -> str:
        """Every failure in full."""
        return "\n".join([f"{self}:", *(error.explain() for error in self.errors)])


class InterruptedRunError(InstallerError):
    """The user asked to stop; what was running came to its end, the rest did not start."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__(
            "stopped on request: the steps that ran are done, later ones were not started",
            hint="repeat the command to go on from here",
        )


def combined(errors: Sequence[InstallerError]) -> InstallerError:
    """The one error, or all of them as one."""
    return errors[0] if len(errors) == 1 else SeveralFailuresError(errors)


def placed(error: InstallerError, target: Target, title: str) -> InstallerError:
    """`error` with the place in the plan that it does not know yet."""
    if target.kind == "host":
        return error.with_place(host=target.name, step=title)
    return error.with_place(step=title if target.kind == "platform" else f"{target.kind} {target}: {title}")

"""Errors a user can meet: what failed, where, why, and what to do next, each with an exit code by cause."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the `moorage` command; part of its interface (docs/reference/exit-codes.md)."""

    DONE = 0
    FAILED = 1
    CHANGES_PENDING = 2
    SPEC = 10
    PREFLIGHT = 11
    SSH = 12
    GUARD = 13
    LOCK = 14
    INFRASTRUCTURE = 15
    KUBERNETES = 16
    BUNDLE = 17
    HOST = 18
    USAGE = 64  # sysexits.h; 2, the habit of many parsers, would read as "changes pending"
    INTERRUPTED = 130


class InstallerError(Exception):
    """A failure told in full: host, step, command, exit code, last lines, likely cause, next command.

    Only `what` is required; the rest is given by whoever knows it. `with_place` adds host and step on the way up,
    so that the one who raises need not know where in the plan it stands.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(
        self,
        what: str,
        *,
        host: str = "",
        step: str = "",
        command: str = "",
        status: int | None = None,
        last_lines: Sequence[str] = (),
        cause: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.host = host
        self.step = step
        self.command = command
        self.status = status
        self.last_lines = tuple(last_lines)
        self.cause = cause
        self.hint = hint

    def with_place(self, *, host: str = "", step: str = "") -> InstallerError:
        """Fill in host and step where they are still empty, and return self."""
        self.host = self.host or host
        self.step = self.step or step
        return self

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.host, self.step) if part)
        return f"{place}: {self.what}" if place else self.what

    def explain(self) -> str:
        """The whole error as lines for a terminal or a log."""
        lines = [str(self)]
        if self.command:
            status = "" if self.status is None else f" (exit code {self.status})"
            lines.append(f"  command: {self.command}{status}")
        lines += [f"  | {line}" for line in self.last_lines]
        if self.cause:
            lines.append(f"  likely cause: {self.cause}")
        if self.hint:
            lines.append(f"  next: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The whole error as plain data, for JSON output and journals."""
        return {
            "kind": self.exit_code.name.lower(),
            "exitCode": int(self.exit_code),
            "what": self.what,
            "host": self.host,
            "step": self.step,
            "command": self.command,
            "status": self.status,
            "lastLines": list(self.last_lines),
            "cause": self.cause,
            "hint": self.hint,
        }


class RetryableError(InstallerError):
    """A later try of the same act may succeed; everything else is final."""


class SpecError(InstallerError):
    """The specification is malformed or contradicts itself."""

    exit_code = ExitCode.SPEC


class PreflightError(InstallerError):
    """At least one preflight check of severity error did not pass."""

    exit_code = ExitCode.PREFLIGHT


class SshError(InstallerError):
    """A host cannot be reached, trusted or logged in to."""

    exit_code = ExitCode.SSH


class GuardError(InstallerError):
    """A guard refused the start of a step."""

    exit_code = ExitCode.GUARD


class LockError(InstallerError):
    """Somebody else is changing this platform."""

    exit_code = ExitCode.LOCK


class InfrastructureError(InstallerError):
    """The Pulumi program, its engine or a provider failed."""

    exit_code = ExitCode.INFRASTRUCTURE


class KubernetesError(InstallerError):
    """A Kubernetes API refused, failed or did not become ready in time."""

    exit_code = ExitCode.KUBERNETES


class BundleError(InstallerError):
    """A release or one of its artefacts is missing, corrupt or cannot be made."""

    exit_code = ExitCode.BUNDLE


class HostError(InstallerError):
    """A script on a host failed."""

    exit_code = ExitCode.HOST


class WaitTimeoutError(InstallerError):
    """A condition did not hold in time; carries the last reason why not."""

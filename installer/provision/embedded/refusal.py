"""What only the pulumi CLI can do is refused with the way out."""

from __future__ import annotations

from installer.core.errors import InfrastructureError


def needs_cli(what: str, *, cause: str = "", otherwise: str = "") -> InfrastructureError:
    """The error for something that the embedded engine leaves to the CLI."""
    hint = "install the pulumi CLI (https://www.pulumi.com/docs/install/): it is used when it is on PATH"
    return InfrastructureError(what, cause=cause, hint=f"{hint}{otherwise}")

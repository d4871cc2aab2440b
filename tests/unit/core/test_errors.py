"""Errors told in full, as text and as data."""

from __future__ import annotations

import inspect

import pytest

from installer.core import errors
from installer.core.errors import ExitCode, HostError, InstallerError

FULL = HostError(
    "cannot write /etc/moorage/node.yaml",
    host="worker-1",
    step="Configure host",
    command="tee /etc/moorage/node.yaml",
    status=1,
    last_lines=["tee: No space left on device"],
    cause="the disk is full",
    hint="make room on worker-1, then `moorage up`",
)


def test_an_error_is_explained_with_all_that_is_known() -> None:
    """Place, command, exit code, last lines, cause, next command."""
    assert FULL.explain().splitlines() == [
        "worker-1: Configure host: cannot write /etc/moorage/node.yaml",
        "  command: tee /etc/moorage/node.yaml (exit code 1)",
        "  | tee: No space left on device",
        "  likely cause: the disk is full",
        "  next: make room on worker-1, then `moorage up`",
    ]


def test_what_is_not_known_is_left_out() -> None:
    """A bare error is one line."""
    assert InstallerError("it failed").explain() == "it failed"


def test_a_place_is_filled_in_once() -> None:
    """Whoever stands nearer to the failure knows better."""
    error = InstallerError("it failed", host="worker-1").with_place(host="worker-2", step="Join")
    assert (error.host, error.step) == ("worker-1", "Join")


def test_an_error_is_data_for_programs() -> None:
    """The same in JSON."""
    data = FULL.to_json()
    assert (data["kind"], data["exitCode"], data["host"]) == ("host", 18, "worker-1")
    assert data["lastLines"] == ["tee: No space left on device"]


@pytest.mark.parametrize(
    "kind", [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, Exception)]
)
def test_every_error_has_an_exit_code_that_is_a_failure(kind: type[InstallerError]) -> None:
    """None of them looks like success or like pending changes."""
    assert kind.exit_code not in (ExitCode.DONE, ExitCode.CHANGES_PENDING)

"""How the parts of the suite are named in the cache, and commands that make them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from installer.core.errors import BundleError


def output(name: str) -> str:
    """The path of a part among all that is built."""
    return f"conformance/{name}"


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; raises BundleError with its last lines when it fails."""
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(
            "a part of the conformance suite cannot be built",
            command=shlex.join(argv),
            status=done.returncode,
            last_lines=done.stderr.splitlines()[-15:],
            hint="`apt-get install gcc libc6-dev make bzip2`, and Debian's mirror must be reached",
        )
    return done.stdout

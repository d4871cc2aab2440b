"""Programs of this machine, run with errors that say what they printed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from installer.core.errors import InfrastructureError

_PACKAGES = {"podman": "podman", "runc": "runc", "mmdebstrap": "mmdebstrap", "mount": "mount", "umount": "mount"}


def run(argv: Sequence[str], *, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; with `check`, raise InfrastructureError unless it succeeds."""
    if shutil.which(argv[0]) is None:
        package = _PACKAGES.get(argv[0], argv[0])
        raise InfrastructureError(f"{argv[0]} is not installed", hint=f"apt-get install {package}, or `make setup`")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as exc:
        raise InfrastructureError(f"{argv[0]} did not end within {timeout_s:g} s", command=" ".join(argv[:3])) from exc
    if check and done.returncode:
        raise InfrastructureError(
            f"{argv[0]} {argv[1]} failed",
            command=" ".join(argv[:4]),
            status=done.returncode,
            last_lines=(done.stderr or done.stdout).strip().splitlines()[-5:],
        )
    return done

"""Child processes that end with this one, however it ends: they watch their standard input."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


def start(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program with our packages importable; its standard error is a pipe, its standard output, too."""
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env={**os.environ, **env, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Close its standard input, and end it if that does not."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def read_all(process: subprocess.Popen[bytes]) -> str:
    """All that it writes, on either stream, until it ends."""
    parts: list[bytes] = []
    readers = [
        threading.Thread(target=lambda pipe=pipe: parts.append(pipe.read()), daemon=True)
        for pipe in (process.stdout, process.stderr)
        if pipe
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return b"".join(parts).decode(errors="replace")

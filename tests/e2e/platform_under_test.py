"""A platform on local hosts, driven by the command line as a user would, and taken down whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.bundle.bundle import Bundle


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its standard output, read."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class PlatformUnderTest:
    """A specification in a folder of its own; its state and its hosts are there, too."""

    name: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "MOORAGE_HOSTS": str(self.folder / "hosts"), "PYTHONUNBUFFERED": "1"}

    def argv(self, words: Sequence[str]) -> list[str]:
        program = "import sys; from installer.cli.main import main; sys.exit(main())"
        return [sys.executable, "-c", program, *words, "-f", str(self.folder / "platform.yaml")]

    def run(self, *words: str, timeout_s: float = 600, env: Mapping[str, str] | None = None) -> Done:
        """`moorage WORDS`, with more in its environment."""
        done = subprocess.run(
            self.argv(words),
            capture_output=True,
            text=True,
            env={**self.env, **(env or {})},
            timeout=timeout_s,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str, timeout_s: float = 600) -> Done:
        """The same, and it succeeds."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.status == 0, f"moorage {' '.join(words)} ended with {done.status}:\n{done.stdout}\n{done.stderr}"
        return done

    def kill_when(self, seen: Callable[[str], bool], *words: str, timeout_s: float = 300) -> str:
        """Start `moorage WORDS` and kill it with all its children at the first line that `seen` accepts; returns it."""
        process = subprocess.Popen(
            self.argv(words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
            start_new_session=True,
        )
        timer = threading.Timer(timeout_s, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if seen(line):
                    return line
            raise AssertionError(f"it ended before that:\n{''.join(lines)}")
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]

    def kubectl(
        self, cluster: str, *words: str, stdin: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """`kubectl WORDS` in one of its clusters, or in `manager`; with `check`, it succeeds."""
        config = self.folder / f"{cluster}.kubeconfig"
        if not config.exists():
            config.touch(mode=0o600)
            config.write_text(self.must("cluster", "kubeconfig", cluster).stdout)
        done = subprocess.run(
            [kubectl(), "--kubeconfig", str(config), *words], input=stdin, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(words)}: {done.stderr.decode()}"
        return done

    def make_namespace(self, cluster: str, name: str) -> None:
        """A namespace in which pods can be made: their account is made by a controller, in its own time."""
        self.kubectl(cluster, "create", "namespace", name)
        words = ("-n", name, "get", "serviceaccount", "default")
        eventually(
            lambda: self.kubectl(cluster, *words, check=False).returncode == 0,
            timeout_s=60,
            what=f"namespace {name} of {cluster} has its default account",
        )

    def reach_anew(self) -> None:
        """Forget where clusters were reached: that host may be gone."""
        for config in self.folder.glob("*.kubeconfig"):
            config.unlink()

    def containers(self) -> dict[str, str]:
        """Its hosts' containers: name -> id."""
        lines = podman("ps", "--all", "--format", "{{.Names}} {{.ID}}").splitlines()
        pairs = [line.split() for line in lines]
        return {name: found for name, found in pairs if name.startswith(f"moorage-{self.name}-")}

    def leftovers(self) -> list[str]:
        """What a platform that was taken down must not leave behind."""
        networks = podman("network", "ls", "--format", "{{.Name}}").split()
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        hosts = self.folder / "hosts"
        return [
            *self.containers(),
            *(name for name in networks if name == f"moorage-{self.name}"),
            *(mount for mount in mounts if mount.startswith(str(self.folder))),
            *(str(path) for path in (hosts.rglob("*") if hosts.exists() else ())),
        ]

    def take_down(self) -> None:
        """Destroy it, whatever state it is in; raises AssertionError when something is left."""
        done = self.run("destroy", "--yes")
        assert done.status == 0, done.stderr
        assert self.leftovers() == []


def podman(*words: str, stdin: bytes | None = None) -> str:
    """Run podman; it succeeds."""
    done = subprocess.run(["podman", *words], capture_output=True, input=stdin, check=True, timeout=120)
    return done.stdout.decode()


def kubectl() -> str:
    """The newest kubectl of the release that the examples use."""
    bundle = Bundle.load("2026.11")
    return str(bundle.path(f"kubernetes/{bundle.info.kubernetes.manager}/kubectl"))


def eventually(check: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Return as soon as `check` holds."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"not so after {timeout_s:g} s: {what}"
        time.sleep(0.5)

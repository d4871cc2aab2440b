"""Preflight of fifty machines: all checks, beside logging in and doing nothing, in the same run."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from installer.engine.events import Silent
from installer.spec.specification import load
from installer.transport.connection import connect
from installer.transport.fleet import fan_out
from installer.transport.target import Target
from installer.workflows import preflight
from installer.workflows.session import open_session
from tests.bench.servers import serving
from tests.contract.ssh_server import SshServer

HOSTS, ROUNDS, GOAL_S = 50, 3, 5
_HEAD = """apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: t-preflight}
spec:
  release: "2026.11"
  regions:
    - name: hall
      provider: {kind: onprem, ssh: {user: USER, key: {file: KEY}}}
      hosts:
"""


def main() -> None:
    """Print a row a way; each is the best of some rounds, since the machine is noisy."""
    with serving(HOSTS) as servers, tempfile.TemporaryDirectory() as folder:
        path = _specification(servers, Path(folder))
        bare = _best(lambda: _log_in(servers))
        checked = _best(lambda: _preflight(path))
        sys.stdout.write(f"log in, do nothing      {bare:8.2f} s\n")
        sys.stdout.write(f"preflight, all checks   {checked:8.2f} s {checked / bare:7.2f} x bare   goal {GOAL_S} s\n")


def _specification(servers: Sequence[SshServer], folder: Path) -> Path:
    target = servers[0].target(name="x")
    assert target.key is not None
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(target.key.reveal())
    lines = [_HEAD.replace("USER", target.user).replace("KEY", str(key))]
    authorized = (servers[0].folder / "authorized_keys").read_text()
    for number, server in enumerate(servers):
        with (server.folder / "authorized_keys").open("a") as keys:  # one key for all, as a specification has it
            keys.write(authorized)
        one = server.target(name="x")
        role = "manager" if number < 3 else "worker"
        lines.append(
            f"        - {{name: host-{number}, role: {role}, address: {one.address}, port: {one.port},"
            f' clusterAddress: 127.0.1.{number + 1}, hostKey: "{one.host_key}"}}\n'
        )
    path = folder / "platform.yaml"
    path.write_text("".join(lines))
    return path


def _log_in(servers: Sequence[SshServer]) -> None:
    def one(target: Target) -> None:
        with connect(target) as connection:
            connection.run("true")

    fan_out([server.target(name=f"host-{number}") for number, server in enumerate(servers)], one)


def _preflight(path: Path) -> None:
    spec = load(path)
    with open_session(spec, state=(path.parent / "state").as_uri(), reporter=Silent()) as session:
        report = preflight.preflight(session, frozenset())
    (reach,) = (result for result in report.results if result.name == "reach")
    assert not reach.findings, reach.findings


def _best(act: Callable[[], None]) -> float:
    found = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        act()
        found.append(time.monotonic() - started)
    return min(found)

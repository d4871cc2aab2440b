"""Twenty steps on twenty hosts over SSH: ours beside a bare loop, and beside a connection a step, in the same run."""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

from installer.transport.connection import connect
from installer.transport.fleet import fan_out
from installer.transport.target import Target
from tests.contract.ssh_server import SshServer

HOSTS, STEPS, ROUNDS = 20, 20, 3
_STEP = 'printf \'\\036{{"step": "step {0}"}}\\n\'; echo doing {0} >/dev/null\n'
SCRIPT = "set -eu\n" + "".join(_STEP.format(number) for number in range(STEPS))


def main() -> None:
    """Print a row a way; each is the best of some rounds, since the machine is noisy."""
    with tempfile.TemporaryDirectory() as folder:
        servers = [SshServer(Path(folder) / str(number)) for number in range(HOSTS)]
        try:
            for server in servers:
                server.start()
            targets = [server.target(name=f"host-{number}") for number, server in enumerate(servers)]
            bare = _best(lambda: _bare(targets))
            for name, act in (("ours", _ours), ("a run a step, one connection", _run_a_step), ("bare loop", None)):
                seconds = bare if act is None else _best(lambda act=act: act(targets))
                sys.stdout.write(f"{name:<32}{seconds:8.2f} s {seconds / bare:6.2f} x bare\n")
            sys.stdout.write(f"{HOSTS} hosts, {STEPS} steps; goal: ours at most 1.2 x bare\n")
        finally:
            for server in servers:
                server.stop()


def _ours(targets: Sequence[Target]) -> None:
    """One connection and one script a host, events streamed back."""

    def one(target: Target) -> int:
        seen: list[object] = []
        with connect(target) as connection:
            connection.run(SCRIPT, on_event=seen.append)
        return len(seen)

    counts = fan_out(targets, one)
    assert set(counts.values()) == {STEPS}, counts


def _run_a_step(targets: Sequence[Target]) -> None:
    """What tools do that send each step by itself."""

    def one(target: Target) -> None:
        with connect(target) as connection:
            for number in range(STEPS):
                connection.run(_STEP.format(number))

    fan_out(targets, one)


def _bare(targets: Sequence[Target]) -> None:
    """paramiko and nothing else: connect, run the script, read its output."""

    def one(target: Target) -> bytes:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - servers of our own on loopback
        assert target.key is not None
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(target.key.reveal()))
        client.connect(
            target.address, target.port, target.user, pkey=key, allow_agent=False, look_for_keys=False, timeout=10
        )
        try:
            _, out, _ = client.exec_command(SCRIPT)
            return bytes(out.read())
        finally:
            client.close()

    with ThreadPoolExecutor(max_workers=32) as pool:
        assert all(text.count(b"\x1e") == STEPS for text in pool.map(one, targets))


def _best(act: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return min(times)

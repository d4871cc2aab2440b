"""Twenty trivial steps on twenty hosts over SSH: ours beside a bare loop and beside peers, in the same run."""

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
from tests.bench import peers
from tests.bench.servers import serving

HOSTS, ROUNDS, ENOUGH_S = 20, 3, 30
STEPS = [f"echo doing {number}" for number in range(20)]
_EVENT = "printf '\\036{\"step\": \"%s\"}\\n' '{}'; {} >/dev/null\n"
SCRIPT = "set -eu\n" + "".join(_EVENT.replace("{}", step) for step in STEPS)


def main() -> None:
    """Print a row a way; each is the best of some rounds, since the machine is noisy."""
    with serving(HOSTS) as servers, tempfile.TemporaryDirectory() as folder:
        targets = [server.target(name=f"host-{number}") for number, server in enumerate(servers)]
        ways: dict[str, Callable[[], None]] = {
            "bare loop, one script": lambda: _bare(targets),
            "ours, one script": lambda: _ours(targets),
            "ours, a run a step": lambda: _run_a_step(targets),
            **peers.installed(targets, STEPS, Path(folder)),
        }
        bare = None
        for name, act in ways.items():
            seconds = _best(act)
            bare = bare or seconds
            sys.stdout.write(f"{name:<24}{seconds:8.2f} s {seconds / bare:7.2f} x bare\n")
            sys.stdout.flush()
    sys.stdout.write(f"{HOSTS} hosts, {len(STEPS)} steps; goal: ours at most 1.2 x bare\n")


def _ours(targets: Sequence[Target]) -> None:
    """One connection and one script a host, events streamed back."""

    def one(target: Target) -> int:
        seen: list[object] = []
        with connect(target) as connection:
            connection.run(SCRIPT, on_event=seen.append)
        return len(seen)

    counts = fan_out(targets, one)
    assert set(counts.values()) == {len(STEPS)}, counts


def _run_a_step(targets: Sequence[Target]) -> None:
    """What tools do that send each step by itself."""

    def one(target: Target) -> None:
        with connect(target) as connection:
            for step in STEPS:
                connection.run(step)

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
        assert all(text.count(b"\x1e") == len(STEPS) for text in pool.map(one, targets))


def _best(act: Callable[[], None]) -> float:
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < ENOUGH_S:
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return min(times)

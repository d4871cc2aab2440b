"""What the processes of local hosts take, and whose they are: read from /proc on the machine that carries the hosts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f-_]{27})")
SHIM = "containerd-shim-runc-v2"


@dataclass(frozen=True)
class Process:
    """One process at one moment. Sizes are bytes; `cpu_s` holds the time of children that have ended, too."""

    pid: int
    parent: int
    program: str
    container: str  # short id of the host's container
    pods: tuple[str, ...]  # uids, the manager's pod first, then the pod inside a node pod
    started_s: float  # after the boot of the machine
    cpu_s: float
    pss: int = 0
    anonymous: int = 0


def processes(hosts: Iterable[str], *, memory: bool) -> dict[int, Process]:
    """All processes on the local hosts of these containers; reading `memory` takes some milliseconds each."""
    short = {container[:12] for container in hosts}
    found = {process.pid: process for process in _read(short, memory=memory)}
    # A shim lives in the cgroup of containerd, but is a part of what its pod costs.
    owners = {child.parent: child.pods for child in found.values() if child.pods}
    for pid, process in found.items():
        if process.program == SHIM and pid in owners:
            found[pid] = Process(**{**vars(process), "pods": owners[pid]})
    return found


def _read(hosts: Set[str], *, memory: bool) -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            cgroup = (entry / "cgroup").read_text()
            container = re.search(r"libpod-([0-9a-f]{12})", cgroup)
            if container is None or container[1] not in hosts:
                continue
            program = Path((entry / "exe").readlink()).name
            # pid (name) state ppid ...; the name may hold anything, so what follows its last bracket counts
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            sizes = _sizes((entry / "smaps_rollup").read_text()) if memory else {}
        except OSError:  # it has ended, or is a thread of the kernel
            continue
        yield Process(
            pid=int(entry.name),
            parent=int(fields[1]),
            program=program.removesuffix(" (deleted)"),
            container=container[1],
            pods=_pods(cgroup),
            started_s=int(fields[19]) / _TICKS,
            cpu_s=sum(map(int, fields[11:15])) / _TICKS,
            pss=sizes.get("Pss", 0),
            anonymous=sizes.get("Pss_Anon", 0),
        )


def _pods(cgroup: str) -> tuple[str, ...]:
    longest = max(cgroup.splitlines(), key=lambda line: line.count("pod"))
    return tuple(uid.replace("_", "-") for uid in _POD.findall(longest))


def _sizes(text: str) -> Mapping[str, int]:
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}

"""Why a node pod finds no place: what it asks for against what each host has free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from installer.spec.quantity import cpu_millis, memory_bytes


@dataclass(frozen=True)
class Room:
    """CPU in thousandths of a core, memory in bytes."""

    cpu: int
    memory: int

    def __sub__(self, other: Room) -> Room:
        return Room(self.cpu - other.cpu, self.memory - other.memory)

    def __add__(self, other: Room) -> Room:
        return Room(self.cpu + other.cpu, self.memory + other.memory)

    def lacks(self, asked: Room) -> str:
        """What of `asked` does not fit, in words; empty when all does."""
        short = []
        if asked.memory > self.memory:
            short.append(f"{_gib(self.memory)} of {_gib(asked.memory)} memory")
        if asked.cpu > self.cpu:
            short.append(f"{max(self.cpu, 0)}m of {asked.cpu}m CPU")
        return " and ".join(short)


NOTHING = Room(0, 0)


def requested(pod: Any) -> Room:
    """What a pod (lightkube) reserves on its host."""
    total = NOTHING
    for container in pod.spec.containers or ():
        wanted = (container.resources.requests or {}) if container.resources else {}
        total += Room(cpu_millis(wanted.get("cpu", "0")), memory_bytes(wanted.get("memory", "0")))
    return total


def free(hosts: Iterable[Any], pods: Iterable[Any]) -> dict[str, Room]:
    """What each host (a Node of the manager) has left: what it offers without what its pods reserve."""
    left = {
        host.metadata.name: Room(
            cpu_millis(host.status.allocatable["cpu"]), memory_bytes(host.status.allocatable["memory"])
        )
        for host in hosts
    }
    for pod in pods:
        if pod.spec.nodeName in left and pod.status.phase not in {"Failed", "Succeeded"}:
            left[pod.spec.nodeName] -= requested(pod)
    return left


def explain(asked: Room, left: Mapping[str, Room]) -> str:
    """One sentence that names every host and what is free there of what is lacking; empty when some host would do."""
    reasons = {name: room.lacks(asked) for name, room in sorted(left.items())}
    if not reasons or not all(reasons.values()):
        return ""
    return "; ".join(f"{name} has {reason} free" for name, reason in reasons.items())


def _gib(size: int) -> str:
    return f"{max(size, 0) / 2**30:.1f} GiB"

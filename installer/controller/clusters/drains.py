"""The drains of a cluster's nodes that are under way: what was asked of which pod, and why it stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from installer.controller.clusters import drain
from installer.controller.clusters.inside import Inside
from installer.controller.status import Happened
from installer.spec.pools import Pool, SharedPool
from installer.spec.quantity import seconds

_GONE_TIMEOUT_S: Final = seconds(SharedPool.model_fields["drain_timeout"].default)  # of a pool that is gone
_NAMED: Final = 5  # as many pods or nodes does a message name


@dataclass(frozen=True)
class _Refusal:
    """Why a pod was not evicted when that was last asked for."""

    node: str
    when: float
    why: str


class Drains:
    """Of one cluster. What it remembers only spares questions."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused: dict[str, _Refusal] = {}  # by a pod's uid
        self._late: dict[str, str] = {}  # by node, what is told of a drain whose time is over

    def step(self, node: str, inside: Inside, pool: Pool | None, *, since: str, alive: bool) -> drain.Step:
        """Look at a cordoned node, and evict what may go; `since` (RFC 3339; empty: now) its drain has been running.

        A pool that is gone (None) holds up nobody: whoever took it out has said that its nodes go.
        """
        began = datetime.fromisoformat(since).timestamp() if since else self._now()
        step = drain.decide(
            inside.pods_on(node),
            running_s=self._now() - began,
            timeout_s=seconds(pool.drain_timeout) if pool else _GONE_TIMEOUT_S,
            forced=pool.force_drain if pool else True,
            asked_s={uid: self._now() - refusal.when for uid, refusal in self._refused.items()},
            alive=alive,
        )
        if pool and step.late:
            self._late[node] = f"for longer than drainTimeout, {pool.drain_timeout}, and not by force"
        for one in step.evict:
            self._refused.pop(one.uid, None)
            if why := inside.evict(one):
                self._refused[one.uid] = _Refusal(node, self._now(), f"{one.path}: {why}")
        return step

    def held(self, node: str) -> list[str]:
        """Why pods of a node that is drained are still there."""
        refused = [refusal.why for refusal in self._refused.values() if refusal.node == node]
        return [self._late[node], *refused] if node in self._late else refused

    def timed_out(self, node: str, step: drain.Step) -> Happened:
        """What is told of a node that goes with its pods."""
        told = [f"node {node} goes with {named([one.path for one in step.left])}", *self.held(node)]
        return Happened("DrainTimedOut", "; ".join(told), warning=True)

    def forget(self, node: str) -> None:
        """Its drain is over."""
        self._refused = {uid: refusal for uid, refusal in self._refused.items() if refusal.node != node}
        self._late.pop(node, None)


def named(names: Sequence[str]) -> str:
    """The first few names."""
    first = ", ".join(names[:_NAMED])
    return first if len(names) <= _NAMED else f"{first} and {len(names) - _NAMED} more"

"""Which pods leave a node that is to go, and when it is empty: decided from what is seen; nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MIRROR: Final = "kubernetes.io/config.mirror"
_ASK_AGAIN_S: Final = 5.0  # as kubectl does


@dataclass(frozen=True, kw_only=True)
class PodOnNode:
    """A pod of the cluster, on the node that is to go. Stays: a DaemonSet's, or the kubelet's own."""

    namespace: str
    name: str
    uid: str
    stays: bool = False
    ended: bool = False
    leaving: bool = False  # deleted, and in its grace period

    @property
    def path(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is next. `left`: pods that are still there; none: the node is empty.

    `late`: its time is over, and yet it goes on asking; `timed_out`: the node goes with what is left.
    """

    evict: tuple[PodOnNode, ...] = ()
    left: tuple[PodOnNode, ...] = ()
    late: bool = False
    timed_out: bool = False

    @property
    def over(self) -> bool:
        return self.timed_out or not self.left


def decide(
    pods: Iterable[PodOnNode],
    *,
    running_s: float,
    timeout_s: float,
    asked_s: Mapping[str, float],
    forced: bool,
    alive: bool = True,
) -> Step:
    """The next step of a drain that has been running for `running_s`.

    `asked_s`: how long ago the eviction of a pod (by uid) was last refused; it is not asked for again at once.
    `forced`: after `timeout_s` the node goes with what is left, whatever budgets say.
    `alive`: the node is ready; on one that is not, nobody ends the pods that were evicted, and none serves.
    """
    left = tuple(pod for pod in pods if not (pod.stays or pod.ended or (pod.leaving and not alive)))
    late = bool(left) and running_s >= timeout_s
    if late and (forced or not alive):
        return Step(left=left, timed_out=True)
    waits = {uid for uid, ago in asked_s.items() if ago < _ASK_AGAIN_S}
    return Step(evict=tuple(pod for pod in left if not pod.leaving and pod.uid not in waits), left=left, late=late)


def of_pod(pod: Any) -> PodOnNode:
    """A pod (lightkube) as far as a drain must know it."""
    meta, phase = pod.metadata, pod.status.phase if pod.status else None
    owners = meta.ownerReferences or ()
    return PodOnNode(
        namespace=meta.namespace or "",
        name=meta.name or "",
        uid=meta.uid or "",
        stays=_MIRROR in (meta.annotations or {}) or any(one.controller and one.kind == "DaemonSet" for one in owners),
        ended=phase in {"Succeeded", "Failed"},
        leaving=meta.deletionTimestamp is not None,
    )

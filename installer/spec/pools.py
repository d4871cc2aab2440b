"""The pools of a cluster: nodes that share hosts with those of others, and nodes that are hosts of their own."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from installer.spec.base import Labels, Model, Name, always, never, rules
from installer.spec.cluster_settings import Kubelet, Taint
from installer.spec.quantity import Cpu, Duration, Memory, memory_bytes, threshold_bytes

# Labels and taints that Kubernetes or Moorage set on nodes by themselves.
OWN_MARKS: Final = ("moorage.dev/", "node.kubernetes.io/", "topology.kubernetes.io/", "kubernetes.io/")
_OWN_MARKS_TEXT = f"labels and taints may not begin with {' or '.join(OWN_MARKS)}"
_IS_OURS = " || ".join(f"key.startsWith('{mark}')" for mark in OWN_MARKS)


_MARKS_ARE_FREE: Final = (
    (f"!has(self.labels) || !self.labels.exists(key, {_IS_OURS})", _OWN_MARKS_TEXT),
    (f"!has(self.taints) || !self.taints.map(taint, taint.key).exists(key, {_IS_OURS})", _OWN_MARKS_TEXT),
)
_SOME_MAY_GO: Final = (
    "(has(self.maxSurge) ? self.maxSurge : 1) + (has(self.maxUnavailable) ? self.maxUnavailable : 0) > 0",
    "maxSurge and maxUnavailable are both 0: no node could ever be replaced",
)


class _Pool(Model):
    """What pools of all kinds have."""

    model_config = ConfigDict(json_schema_extra=rules(*_MARKS_ARE_FREE))

    name: Name = never(description="The pool's name; part of its nodes'.")
    labels: Labels = always(default_factory=dict, description="Labels of its nodes.")
    taints: tuple[Taint, ...] = always((), description="Taints of its nodes.")
    kubelet: Kubelet = always(default_factory=Kubelet, description="Settings of its kubelets.")
    drain_timeout: Duration = always(
        "5m", description="How long a node that is to go waits for its pods to be evicted; then it is told, or forced."
    )
    force_drain: bool = always(
        False, description="After `drainTimeout` a node goes with what is left on it, whatever budgets say."
    )

    @model_validator(mode="after")
    def _marks_are_free(self) -> _Pool:
        taken = [key for key in (*self.labels, *(taint.key for taint in self.taints)) if key.startswith(OWN_MARKS)]
        if taken:
            raise ValueError(_OWN_MARKS_TEXT)
        pairs = [(taint.key, taint.effect) for taint in self.taints]
        if len(set(pairs)) < len(pairs):
            raise ValueError("two taints have the same key and effect")
        return self


class SharedPool(_Pool):
    """Node pods: many clusters on one machine."""

    model_config = ConfigDict(json_schema_extra=rules(*_MARKS_ARE_FREE, _SOME_MAY_GO))

    kind: Literal["shared"] = never(description="Nodes that share hosts with those of other clusters.")
    count: Annotated[int, Field(ge=0, le=500)] = always(1, description="How many nodes.")
    regions: tuple[Name, ...] = always((), description="Where its nodes are, spread evenly; none: in any region.")
    cpu: Cpu = always("1", description="CPU of each node.")
    memory: Memory = always("2Gi", description="Memory of each node.")
    disk: Memory = always(
        "20Gi", description="Disk of each node: images, logs and what pods write; one that takes more is replaced."
    )

    max_surge: Annotated[int, Field(ge=0, le=100)] = always(
        1,
        description="How many more nodes there may be while they are replaced: successors that start before others go.",
    )
    max_unavailable: Annotated[int, Field(ge=0, le=100)] = always(
        0, description="How many fewer may be ready meanwhile: nodes that go before their successors are there."
    )

    @model_validator(mode="after")
    def _some_may_go(self) -> SharedPool:
        if not self.max_surge and not self.max_unavailable:
            raise ValueError(_SOME_MAY_GO[1])
        return self

    @model_validator(mode="after")
    def _each_region_once(self) -> SharedPool:
        if len(set(self.regions)) < len(self.regions):
            raise ValueError("a region is named twice")
        return self

    @model_validator(mode="after")
    def _leaves_memory(self) -> SharedPool:
        threshold = self.kubelet.eviction_hard.memory_available
        if threshold is not None and threshold_bytes(threshold, of=self.memory) >= memory_bytes(self.memory):
            raise ValueError("kubelet.evictionHard.memory.available leaves nothing of memory")
        return self


class DedicatedPool(_Pool):
    """Whole hosts: for hardware that is not shared, for hard isolation, for places of their own."""

    kind: Literal["dedicated"] = never(description="Nodes that are whole hosts, of this cluster alone.")
    hosts: tuple[Name, ...] = always(
        description="Hosts with the role `dedicated`; `up` joins them, and cleans those that are named no more."
    )

    @model_validator(mode="after")
    def _each_once(self) -> DedicatedPool:
        if len(set(self.hosts)) < len(self.hosts):
            raise ValueError("a host is named twice")
        return self

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.hosts)


Pool = Annotated[SharedPool | DedicatedPool, Field(discriminator="kind")]

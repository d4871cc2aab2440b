"""What leaves a node that is to go, and when it is empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lightkube.models.core_v1 import PodStatus
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import Pod

from installer.controller.clusters.drain import PodOnNode, decide, of_pod

WEB = PodOnNode(namespace="default", name="web", uid="w")
DB = PodOnNode(namespace="default", name="db", uid="d")
LEAVING = replace(WEB, leaving=True)
AGENT = replace(DB, stays=True)
DONE = replace(DB, ended=True)

CASES: dict[str, tuple[list[PodOnNode], dict[str, Any], list[PodOnNode], bool]] = {
    "an empty node": ([], {}, [], True),
    "only what stays": ([AGENT, DONE], {}, [], True),
    "all are asked to leave at once": ([WEB, DB, AGENT], {}, [WEB, DB], False),
    "one that is leaving is waited for": ([LEAVING], {}, [], False),
    "one that was refused is not asked again at once": ([WEB, DB], {"asked_s": {"w": 1.0}}, [DB], False),
    "one that was refused is asked again": ([WEB], {"asked_s": {"w": 5.0}}, [WEB], False),
    "the time is over": ([WEB], {"running_s": 300.0}, [], True),
    "the time is not quite over": ([WEB], {"running_s": 299.0}, [WEB], False),
    "no time at all": ([WEB], {"running_s": 0.0, "timeout_s": 0.0}, [], True),
    "empty in spite of the time": ([AGENT], {"running_s": 301.0}, [], True),
    "nobody ends pods on a dead node": ([LEAVING], {"alive": False}, [], True),
    "on a dead node, too, budgets are asked": ([LEAVING, DB], {"alive": False}, [DB], False),
}


@pytest.mark.parametrize(("pods", "given", "evicted", "over"), CASES.values(), ids=CASES)
def test_steps(pods: list[PodOnNode], given: dict[str, Any], evicted: list[PodOnNode], over: bool) -> None:
    """The next step of a drain."""
    step = decide(pods, **{"running_s": 10.0, "timeout_s": 300.0, "asked_s": {}, "forced": True, **given})
    assert list(step.evict) == evicted
    assert step.over is over


def test_only_a_drain_that_leaves_pods_behind_has_timed_out() -> None:
    """It names them."""
    late = decide([WEB, AGENT], running_s=301.0, timeout_s=300.0, asked_s={}, forced=True)
    assert (late.timed_out, late.left) == (True, (WEB,))
    assert not decide([AGENT], running_s=301.0, timeout_s=300.0, asked_s={}, forced=True).timed_out


@pytest.mark.parametrize(("alive", "timed_out"), [(True, False), (False, True)])
def test_what_is_not_forced_goes_on_asking(alive: bool, timed_out: bool) -> None:
    """And says that it is late; on a dead node there is nothing to spare."""
    late = decide([WEB], running_s=301.0, timeout_s=300.0, asked_s={}, forced=False, alive=alive)
    assert (late.timed_out, late.over) == (timed_out, timed_out)
    assert late.late is not timed_out
    assert late.evict == (() if timed_out else (WEB,))


def pod(phase: str = "Running", **meta: Any) -> PodOnNode:
    return of_pod(
        Pod(metadata=ObjectMeta(name="web", namespace="default", uid="w", **meta), status=PodStatus(phase=phase))
    )


def owner(kind: str) -> list[OwnerReference]:
    return [OwnerReference(apiVersion="apps/v1", kind=kind, name="one", uid="1", controller=True)]


def test_what_stays() -> None:
    """A DaemonSet's pods come back at once, the kubelet's own cannot be evicted."""
    assert pod() == WEB
    assert pod(ownerReferences=owner("ReplicaSet")) == WEB
    assert pod(ownerReferences=owner("DaemonSet")).stays
    assert pod(annotations={"kubernetes.io/config.mirror": "x"}).stays
    assert pod(phase="Succeeded").ended

"""Labels and taints of a cluster's nodes: what is set and what is taken away, decided from wanted and seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from installer.kubernetes import node_pod
from installer.spec.cluster_settings import Taint

# Which labels and taints of a node are ours, so that those that leave the specification leave the node, and no other.
OURS: Final = "moorage.dev/marks"
Pair = tuple[str, str]  # of a taint: its key and its effect; a node has one taint of each pair


@dataclass(frozen=True)
class Marks:
    """Labels and taints that a node is to have."""

    labels: Mapping[str, str]
    taints: Sequence[Taint] = ()


def patch(wanted: Marks, metadata: Any, spec: Any) -> dict[str, Any] | None:
    """The merge patch that gives a node (its `metadata` and `spec`, lightkube) its marks; None when it has them.

    It holds the version it was made from: taints are one list, which Kubernetes' own controllers change, too.
    """
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    before = json.loads(annotations.get(OURS, "{}"))
    changed: dict[str, str | None] = {key: value for key, value in wanted.labels.items() if labels.get(key) != value}
    changed |= {key: None for key in before.get("labels", ()) if key in labels and key not in wanted.labels}
    seen = [_as_dict(taint) for taint in (spec.taints or ())]
    taints = _taints(wanted.taints, seen, {(key, effect) for key, effect in before.get("taints", ())})
    noted = _note(wanted)
    if not changed and taints == seen and annotations.get(OURS) == noted:
        return None
    return {
        "metadata": {
            "resourceVersion": metadata.resourceVersion,
            "labels": changed,
            "annotations": {OURS: noted},
        },
        "spec": {"taints": taints},
    }


def _taints(wanted: Iterable[Taint], seen: Sequence[dict[str, Any]], ours: set[Pair]) -> list[dict[str, Any]]:
    """Others' taints as they are, then the wanted ones; those that stay keep their place."""
    by_pair: dict[Pair, dict[str, Any]] = {(taint.key, taint.effect): _wanted(taint) for taint in wanted}
    gone = (ours | {_pair(node_pod.STARTING)}) - by_pair.keys()
    kept = [_kept(taint, by_pair.get(_pair(taint))) for taint in seen if _pair(taint) not in gone]
    there = {_pair(taint) for taint in kept}
    return [*kept, *(taint for pair, taint in by_pair.items() if pair not in there)]


def _kept(taint: dict[str, Any], wanted: dict[str, Any] | None) -> dict[str, Any]:
    return taint if wanted is None or wanted.get("value", "") == taint.get("value", "") else wanted


def _wanted(taint: Taint) -> dict[str, Any]:
    return {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}


def _as_dict(taint: Any) -> dict[str, Any]:
    return dict(taint.to_dict())


def _pair(taint: Mapping[str, Any]) -> Pair:
    return str(taint["key"]), str(taint["effect"])


def _note(wanted: Marks) -> str:
    taints = sorted((taint.key, taint.effect) for taint in wanted.taints)
    return json.dumps({"labels": sorted(wanted.labels), "taints": taints}, separators=(",", ":"))

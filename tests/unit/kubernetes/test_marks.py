"""Labels and taints of nodes: set, changed, taken away; those of others are left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lightkube.models.core_v1 import NodeSpec
from lightkube.models.core_v1 import Taint as TaintOfNode
from lightkube.models.meta_v1 import ObjectMeta

from installer.kubernetes import node_pod
from installer.kubernetes.marks import OURS, Marks, patch
from installer.spec.cluster_settings import Taint

GPU = Taint(key="gpu", value="yes", effect="NoSchedule")
OLD = Taint(key="old", effect="NoExecute")
FOREIGN = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def as_seen(taint: Taint) -> dict[str, str]:
    return {key: value for key, value in taint.model_dump().items() if value}


def patched(
    wanted: Marks, labels: dict[str, str], taints: list[dict[str, str]], ours: Marks | None = None
) -> dict[str, Any] | None:
    """The patch for a node of which `ours` was set earlier."""
    annotations = {}
    if ours is not None:
        note = {"labels": sorted(ours.labels), "taints": sorted((t.key, t.effect) for t in ours.taints)}
        annotations[OURS] = json.dumps(note, separators=(",", ":"))
    meta = ObjectMeta(name="a", labels=labels, annotations=annotations, resourceVersion="7")
    return patch(wanted, meta, NodeSpec(taints=[TaintOfNode(**taint) for taint in taints]))


@pytest.mark.parametrize(
    ("wanted", "labels", "taints", "ours", "new_labels", "new_taints"),
    [
        pytest.param(
            Marks({"a": "1"}, (GPU,)),
            {"os": "linux"},
            [node_pod.STARTING, FOREIGN],
            None,
            {"a": "1"},
            [FOREIGN, as_seen(GPU)],
            id="a new node",
        ),
        pytest.param(Marks({"a": "2"}), {"a": "1"}, [], Marks({"a": "1"}), {"a": "2"}, [], id="another value"),
        pytest.param(
            Marks({}),
            {"a": "1", "b": "2"},
            [FOREIGN, as_seen(OLD)],
            Marks({"a": "1"}, (OLD,)),
            {"a": None},
            [FOREIGN],
            id="what is ours goes, what is not stays",
        ),
        pytest.param(Marks({}), {}, [], Marks({"a": "1"}), {}, [], id="gone already"),
        pytest.param(
            Marks({}, (GPU,)),
            {},
            [{"key": "gpu", "value": "no", "effect": "NoSchedule"}, FOREIGN],
            Marks({}, (GPU,)),
            {},
            [as_seen(GPU), FOREIGN],
            id="a taint of another value",
        ),
        pytest.param(
            Marks({}, (Taint(key="gpu", value="yes", effect="NoExecute"),)),
            {},
            [as_seen(GPU)],
            Marks({}, (GPU,)),
            {},
            [{"key": "gpu", "value": "yes", "effect": "NoExecute"}],
            id="a taint of another effect",
        ),
        pytest.param(Marks({"a": "1"}), {"a": "1"}, [], None, {}, [], id="set by somebody else: noted as ours"),
    ],
)
def test_patches(  # noqa: PLR0917
    wanted: Marks,
    labels: dict[str, str],
    taints: list[dict[str, str]],
    ours: Marks | None,
    new_labels: dict[str, str | None],
    new_taints: list[dict[str, str]],
) -> None:
    """What is changed, and nothing else; only against the version that was seen."""
    found = patched(wanted, labels, taints, ours)
    assert found is not None
    assert found["metadata"]["labels"] == new_labels
    assert found["spec"]["taints"] == new_taints
    assert found["metadata"]["resourceVersion"] == "7"


def test_a_node_with_its_marks_is_left_alone() -> None:
    """Whatever else it has."""
    marks = Marks({"a": "1"}, (GPU,))
    assert patched(marks, {"a": "1", "os": "linux"}, [FOREIGN, as_seen(GPU)], marks) is None

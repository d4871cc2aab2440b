"""Pods on hosts that are lost."""

from __future__ import annotations

import pytest
from lightkube import codecs

from installer.controller import lost_hosts


def _node(name: str, *conditions: tuple[str, str]) -> object:
    told = [{"type": kind, "status": status} for kind, status in conditions]
    return codecs.from_dict(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": told}}
    )


def _pod(name: str, host: str | None) -> object:
    spec = {"containers": [], **({"nodeName": host} if host else {})}
    return codecs.from_dict({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize(
    ("host", "stranded"),
    [
        ("ready", False),
        ("silent", True),  # its lease ran out
        ("sick", True),
        ("new", True),  # it has not said anything yet
        ("removed", True),
        (None, False),  # never placed: it goes by itself
    ],
)
def test_a_pod_is_stranded_where_no_kubelet_answers(host: str | None, stranded: bool) -> None:
    """Whether Kubernetes says that the host is unwell, does not know, or has no such host."""
    nodes = [
        _node("ready", ("MemoryPressure", "False"), ("Ready", "True")),
        _node("silent", ("Ready", "Unknown")),
        _node("sick", ("Ready", "False")),
        _node("new"),
    ]
    assert [pod.metadata.name for pod in lost_hosts.stranded([_pod("a", host)], nodes)] == (["a"] if stranded else [])

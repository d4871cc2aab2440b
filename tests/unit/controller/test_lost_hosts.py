"""Pods on hosts that are lost."""

from __future__ import annotations

from typing import cast

import pytest
from lightkube import Client, codecs

from installer.controller import lost_hosts
from installer.controller.manager_api import Api
from tests.fakes.kubernetes import FakeApi, Life


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


def test_what_is_on_hosts_that_are_given_up_is_let_go_once() -> None:
    """Nothing else is, and who is on its way already is not told again."""
    api, life = FakeApi(), Life()
    for name, host, going in (("a", "worker-1", False), ("b", "worker-2", False), ("c", "worker-2", True)):
        gone = {"deletionTimestamp": "2026-05-04T03:02:01Z"} if going else {}
        meta = {"name": name, "namespace": "cluster-team-a", **gone}
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"nodeName": host, "containers": []}})
    manager = Api(cast(Client, api.client(life)))
    assert lost_hosts.leave(manager, "cluster-team-a", set()) == ""
    assert life.calls == []
    assert lost_hosts.leave(manager, "cluster-team-a", {"worker-2", "worker-3"}) == "worker-2"
    assert life.calls == ["list Pod", "delete Pod b"]

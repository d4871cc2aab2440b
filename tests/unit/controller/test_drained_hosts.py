"""Which hosts are to be empty, as the manager's nodes say."""

from __future__ import annotations

from typing import cast

from lightkube import Client

from installer.controller.drained_hosts import DrainedHosts
from installer.controller.manager_api import Api
from installer.kubernetes import draining
from tests.fakes.kubernetes import FakeApi, Life

_SINCE = "2026-05-04T03:02:01+00:00"


def _world() -> tuple[FakeApi, DrainedHosts, Life]:
    api, life = FakeApi(), Life()
    for name, noted in (("worker-1", {draining.SINCE: _SINCE}), ("worker-2", {})):
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": noted}})
    return api, DrainedHosts(Api(cast(Client, api.client(life)))), life


def test_asked_once() -> None:
    """However many clusters want to know."""
    _, drained, life = _world()
    assert drained.since() == {"worker-1": _SINCE}
    calls = len(life.calls)
    drained.since()
    assert len(life.calls) == calls


def test_what_is_told_of_a_node_counts() -> None:
    """Only news is news."""
    _, drained, _ = _world()
    assert not drained.note("worker-2", {draining.SINCE: _SINCE})  # nobody has asked yet: the list will say it
    assert drained.since() == {"worker-1": _SINCE}
    assert drained.note("worker-2", {draining.SINCE: _SINCE})
    assert not drained.note("worker-2", {draining.SINCE: _SINCE})
    assert drained.note("worker-1", {})
    assert drained.since() == {"worker-2": _SINCE}


def test_labels_and_room_are_asked_for_once_for_all() -> None:
    """Anew after a while, labels also for a host that was not there before."""
    api, _, life = _world()
    now = 0.0
    for node in api.of("Node"):
        node["status"] = {"allocatable": {"cpu": "2", "memory": "1Gi"}}
    drained = DrainedHosts(Api(cast(Client, api.client(life))), now=lambda: now)
    first = (drained.labels(["worker-1"]), drained.free())
    calls = len(life.calls)
    assert (drained.labels(["worker-2"]), drained.free()) == first
    assert len(life.calls) == calls
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-3", "labels": {"zone": "b"}}})
    now = 5.0
    assert drained.labels(["worker-3"])["worker-3"] == {"zone": "b"}
    drained.labels(["gone"])
    api.remove("Node", "", "worker-3")
    now = 11.0
    drained.free()
    now = 65.0
    assert "worker-3" not in drained.labels(["worker-1"])
    assert life.calls[calls:] == ["list Node", "list Node", "list Pod", "list Node"]

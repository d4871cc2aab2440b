"""Which hosts are to be empty, as the manager's nodes say."""

from __future__ import annotations

from typing import cast

from lightkube import Client

from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api
from installer.kubernetes import draining
from tests.fakes.kubernetes import FakeApi, Life

_SINCE = "2026-05-04T03:02:01+00:00"


def _world() -> tuple[FakeApi, Hosts, Life]:
    api, life = FakeApi(), Life()
    for name, noted in (("worker-1", {draining.SINCE: _SINCE}), ("worker-2", {})):
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": noted}})
    return api, Hosts(Api(cast(Client, api.client(life)))), life


def test_asked_once() -> None:
    """However many clusters want to know."""
    _, hosts, life = _world()
    assert hosts.drained() == {"worker-1": _SINCE}
    calls = len(life.calls)
    hosts.drained()
    assert len(life.calls) == calls


def test_what_is_told_of_a_node_counts() -> None:
    """Only news is news."""
    _, hosts, _ = _world()
    assert not hosts.note("worker-2", {draining.SINCE: _SINCE})  # nobody has asked yet: the list will say it
    assert hosts.drained() == {"worker-1": _SINCE}
    assert hosts.note("worker-2", {draining.SINCE: _SINCE})
    assert not hosts.note("worker-2", {draining.SINCE: _SINCE})
    assert hosts.note("worker-1", {})
    assert hosts.drained() == {"worker-2": _SINCE}


def test_labels_and_room_are_asked_for_once_for_all() -> None:
    """Anew after a while, labels also for a host that was not there before."""
    api, _, life = _world()
    now = 0.0
    for node in api.of("Node"):
        node["status"] = {"allocatable": {"cpu": "2", "memory": "1Gi"}}
    hosts = Hosts(Api(cast(Client, api.client(life))), now=lambda: now)
    first = (hosts.labels(["worker-1"]), hosts.free())
    calls = len(life.calls)
    assert (hosts.labels(["worker-2"]), hosts.free()) == first
    assert len(life.calls) == calls
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-3", "labels": {"zone": "b"}}})
    now = 5.0
    assert hosts.labels(["worker-3"])["worker-3"] == {"zone": "b"}
    hosts.labels(["gone"])
    api.remove("Node", "", "worker-3")
    now = 11.0
    hosts.free()
    now = 65.0
    assert "worker-3" not in hosts.labels(["worker-1"])
    assert life.calls[calls:] == ["list Node", "list Node", "list Pod", "list Node"]

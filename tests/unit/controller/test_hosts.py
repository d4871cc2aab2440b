"""Which hosts are to be empty, as the manager's nodes say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from lightkube import Client
from lightkube.resources.core_v1 import Node

from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api
from installer.kubernetes import draining, lost
from tests.fakes.kubernetes import FakeApi, Life

_SINCE = "2026-05-04T03:02:01+00:00"


_FELL = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC).timestamp()


def _node(
    annotations: dict[str, str] | None = None, *, name: str = "worker-2", region: str = "a", ready: bool = True
) -> Node:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-05-04T03:02:01Z"}
    meta = {"name": name, "labels": {lost.REGION: region}, "annotations": annotations or {}}
    return Node.from_dict({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": {"conditions": [condition]}})


def _world() -> tuple[FakeApi, Hosts, Life]:
    api, life = FakeApi(), Life()
    for name, noted in (("worker-1", {draining.SINCE: _SINCE}), ("worker-2", {})):
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": noted}})
    return api, Hosts(Api(cast(Client, api.client(life))), {}), life


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
    drained, well, away = _node({draining.SINCE: _SINCE}), _node(), _node(ready=False)
    assert not hosts.note("worker-2", drained)  # nobody has asked yet: the list will say it
    assert hosts.drained() == {"worker-1": _SINCE}
    assert hosts.note("worker-2", drained)
    assert not hosts.note("worker-2", drained)
    assert hosts.note("worker-1", _node(name="worker-1"))
    assert hosts.drained() == {"worker-2": _SINCE}
    assert hosts.note("worker-2", well)
    assert hosts.note("worker-2", away)
    assert not hosts.note("worker-2", away)
    assert hosts.note("worker-2", None)
    assert not hosts.note("worker-2", None)


def test_who_is_given_up() -> None:
    """A region that is cut off is waited for, and it is known until when."""
    api, now = FakeApi(), 1000.0
    hosts = Hosts(Api(cast(Client, api.client(Life()))), {"b": 600.0}, today=lambda: _FELL + now)
    for name, region in (("a-1", "a"), ("a-2", "a"), ("a-3", "a"), ("b-1", "b")):
        api.put(_node(name=name, region=region).to_dict())
    assert hosts.decides_in() == float("inf")  # nobody has asked yet
    assert (hosts.given_up(), dict(hosts.cut_off()), hosts.decides_in()) == (set(), {}, float("inf"))
    now = 100.0
    hosts.note("b-1", _node(name="b-1", region="b", ready=False))
    assert (hosts.given_up(), list(hosts.cut_off()), hosts.decides_in()) == (set(), ["b"], 500.0)
    hosts.note("a-1", _node(name="a-1", region="a", ready=False))
    assert hosts.given_up() == {"a-1"}
    now = 600.0
    assert (hosts.given_up(), hosts.decides_in()) == ({"a-1", "b-1"}, float("inf"))
    hosts.note("b-1", _node(name="b-1", region="b"))
    assert hosts.given_up() == {"a-1"}


def test_labels_and_room_are_asked_for_once_for_all() -> None:
    """Anew after a while, labels also for a host that was not there before."""
    api, _, life = _world()
    now = 0.0
    for node in api.of("Node"):
        node["status"] = {"allocatable": {"cpu": "2", "memory": "1Gi"}}
    hosts = Hosts(Api(cast(Client, api.client(life))), {}, now=lambda: now)
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

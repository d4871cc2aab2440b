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

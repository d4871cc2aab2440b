"""What a host has proven is known to whoever goes on, and only for the bundle that it was proven on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from installer.workflows import proven
from tests.fakes.kubernetes import FakeApi, Life


def test_it_is_noted_for_one_bundle() -> None:
    """In the manager: another session sees it, another bundle is not proven, nor is a host that is not there."""
    api = FakeApi()
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}})

    def session(digest: str) -> Any:
        return SimpleNamespace(api=api.client(Life()), bundle=SimpleNamespace(digest=digest))

    assert not proven.is_noted(session("new"), "worker-1")
    proven.note(session("new"), "worker-1")
    assert proven.is_noted(session("new"), "worker-1")
    assert not proven.is_noted(session("newer"), "worker-1")
    assert not proven.is_noted(session("new"), "worker-2")

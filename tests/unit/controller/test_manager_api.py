"""What the controller applied last is not applied again, until somebody takes it away."""

from __future__ import annotations

from typing import Any, cast

from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap

from installer.controller.manager_api import Api

WANTED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "here"}, "data": {"a": "b"}}


class Recording:
    """A client that only notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def apply(self, document: Any, **_: Any) -> None:
        self.asked.append(("apply", document.metadata.name))

    def delete(self, _kind: type[Any], name: str, **_: Any) -> None:
        self.asked.append(("delete", name))


def test_what_was_applied_is_not_applied_again() -> None:
    """It costs the API server nothing while nothing changes."""
    client = Recording()
    api = Api(cast(Client, client), now=lambda: 0.0)
    api.apply([WANTED])
    api.apply([WANTED])
    assert client.asked == [("apply", "one")]


def test_what_was_deleted_is_applied_again() -> None:
    """An add-on that is switched off and on is there."""
    client = Recording()
    api = Api(cast(Client, client), now=lambda: 0.0)
    api.apply([WANTED])
    api.delete(ConfigMap, "one", "here")
    api.apply([WANTED])
    assert client.asked == [("apply", "one"), ("delete", "one"), ("apply", "one")]

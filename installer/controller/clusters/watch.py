"""Listens to a cluster's own API for what wants something done by us, so that nobody has to ask often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from installer.kubernetes import client, dedicated

# A connection may be dead without a word, when the host at its other end is lost; it is made anew after so long.
_LIFE_S: Final = 300.0
_LOOK_S: Final = 5.0  # how long it may take until it is noticed that more matters now


@dataclass(frozen=True)
class Also:
    """What else matters in a cluster: where Services have pods, and how nodes are that are whole hosts."""

    pods: bool
    hosts: bool


@dataclass(frozen=True)
class _Kind:
    """What is listened to."""

    resource: Any
    namespace: str | None = None
    labels: dict[str, Any] | None = None


_ALWAYS: Final = (_Kind(PersistentVolumeClaim, "*"), _Kind(PersistentVolume), _Kind(Service, "*"))
_PODS: Final = _Kind(EndpointSlice, "*")
_HOSTS: Final = _Kind(Node, labels={dedicated.LABEL: None})


async def listen(api: AsyncClient, changed: Callable[[], None], *, also: Callable[[], Also]) -> None:
    """Call `changed` for each Service, and each claim or volume that is not just in use; returns after some minutes.

    And for what `also` says, as long as it says the same. Raises KubernetesError once the API does not answer.
    """
    told = also()
    kinds = (*_ALWAYS, *([_PODS] if told.pods else ()), *([_HOSTS] if told.hosts else ()))
    tasks = [asyncio.create_task(_listen(api, kind, changed)) for kind in kinds]
    end = asyncio.get_running_loop().time() + _LIFE_S
    ended: set[asyncio.Task[None]] = set()
    try:
        while not ended and also() == told and asyncio.get_running_loop().time() < end:
            ended, _ = await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


async def _listen(api: AsyncClient, kind: _Kind, changed: Callable[[], None]) -> None:
    with client.translated(f"watch {kind.resource.__name__}"):
        async for event, found in api.watch(kind.resource, namespace=kind.namespace, labels=kind.labels):
            if matters(event, found):
                changed()


def matters(event: str, found: Any) -> bool:
    """Whether an object (lightkube) may want something done: not a claim or a volume that is in use, and stays."""
    if not isinstance(found, PersistentVolumeClaim | PersistentVolume):
        return True
    phase = found.status.phase if found.status else None
    meta = found.metadata
    return event == "DELETED" or phase != "Bound" or bool(meta and meta.deletionTimestamp)

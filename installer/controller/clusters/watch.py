"""Listens to a cluster's own API for what wants something done by us, so that nobody has to ask often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from lightkube import AsyncClient
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from installer.kubernetes import client

# A connection may be dead without a word, when the host at its other end is lost; it is made anew after so long.
_LIFE_S: Final = 300.0
_LOOK_S: Final = 5.0  # how long it may take until it is noticed that pods of Services matter now


async def listen(api: AsyncClient, changed: Callable[[], None], *, pods_matter: Callable[[], bool]) -> None:
    """Call `changed` for each Service, and each claim or volume that is not just in use; returns after some minutes.

    While `pods_matter`, also when a Service has pods elsewhere. Raises KubernetesError once the API does not answer.
    """
    kinds: list[tuple[Any, str | None]] = [(PersistentVolumeClaim, "*"), (PersistentVolume, None), (Service, "*")]
    told = pods_matter()
    if told:
        kinds.append((EndpointSlice, "*"))
    tasks = [asyncio.create_task(_listen(api, kind, namespace, changed)) for kind, namespace in kinds]
    end = asyncio.get_running_loop().time() + _LIFE_S
    ended: set[asyncio.Task[None]] = set()
    try:
        while not ended and pods_matter() == told and asyncio.get_running_loop().time() < end:
            ended, _ = await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


async def _listen(api: AsyncClient, kind: Any, namespace: str | None, changed: Callable[[], None]) -> None:
    with client.translated(f"watch {kind.__name__}"):
        async for event, found in api.watch(kind, namespace=namespace):
            if matters(event, found):
                changed()


def matters(event: str, found: Any) -> bool:
    """Whether an object (lightkube) may want something done: not a claim or a volume that is in use, and stays."""
    if not isinstance(found, PersistentVolumeClaim | PersistentVolume):
        return True
    phase = found.status.phase if found.status else None
    meta = found.metadata
    return event == "DELETED" or phase != "Bound" or bool(meta and meta.deletionTimestamp)

"""Listens to a cluster's own API for claims and volumes that want something done, so that nobody has to ask often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from lightkube import AsyncClient
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from installer.kubernetes import client

# A connection may be dead without a word, when the host at its other end is lost; it is made anew after so long.
_LIFE_S: Final = 300.0


async def listen(api: AsyncClient, changed: Callable[[], None]) -> None:
    """Call `changed` for each claim or volume that is another and not just in use; returns after some minutes.

    Raises KubernetesError once the API does not answer.
    """
    tasks = [
        asyncio.ensure_future(_listen(api, PersistentVolumeClaim, "*", changed)),
        asyncio.ensure_future(_listen(api, PersistentVolume, None, changed)),
    ]
    try:
        ended, _ = await asyncio.wait(tasks, timeout=_LIFE_S, return_when=asyncio.FIRST_COMPLETED)
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
    """Whether a claim or a volume (lightkube) may want something done: not one that is in use, and stays."""
    phase = found.status.phase if found.status else None
    return event == "DELETED" or phase != "Bound" or found.metadata.deletionTimestamp is not None

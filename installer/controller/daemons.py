"""What the daemons of all resources share: when they may begin, and how they sleep between passes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import kopf

from installer.controller import events
from installer.controller.manager_api import Api
from installer.controller.status import Happened
from installer.core.errors import InstallerError

FINALIZER: Final = "moorage.dev/controller"
FAILED_S: Final = 2.0  # until a pass that failed is tried again
REPORTED_S: Final = 0.5  # what was reported may be what the next pass goes on from, and nobody is woken by it
# `generation` counts what is changed in the specification.
_OURS: Final = ("uid", "generation", "labels", "annotations", "finalizers", "deletionTimestamp")
log = logging.getLogger("moorage.controller")


def may_begin(metadata: Mapping[str, Any]) -> bool:
    """Whether the resource cannot go without us: what is made for one that can would be left behind.

    kopf sets the finalizer, but starts a daemon without waiting for that.
    """
    return FINALIZER in (metadata.get("finalizers") or ())


class Resources:
    """Those of a kind, but for their status: a daemon that its own report woke would never sleep."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Any]] = {}

    def changed(self, name: str, metadata: Mapping[str, Any]) -> bool:
        """Whether this is anything else than a new status of what is known already."""
        known = {key: metadata.get(key) for key in _OURS}
        if self._known.get(name) == known:
            return False
        self._known[name] = known
        return True

    def forget(self, name: str) -> None:
        self._known.pop(name, None)


async def tell(api: Api, kind: str, metadata: Mapping[str, Any], happened: Happened) -> None:
    """Post an event of a resource of ours; where that fails, the log has it: what was done is done."""
    try:
        await asyncio.to_thread(events.tell, api, kind, metadata, happened)
    except InstallerError as exc:
        name, reason, message = metadata["name"], happened.reason, happened.message
        log.warning("%s %s: %s: %s: %s", kind, name, reason, message, exc.explain())


async def sleep(waker: asyncio.Event, stopped: kopf.DaemonStopped, pause: float) -> None:
    """Return after `pause` seconds, or when woken or stopped; never at once, so that a burst is one pass."""
    await asyncio.sleep(min(pause, 0.1))
    tasks = [asyncio.ensure_future(waker.wait()), asyncio.ensure_future(stopped.wait())]
    try:
        await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def until(work: Coroutine[Any, Any, None], stopped: kopf.DaemonStopped) -> None:
    """Do some work, unless stopped before it ends; raises what it raises."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if tasks[0] in ended:
        await tasks[0]

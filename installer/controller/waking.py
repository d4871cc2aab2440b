"""Daemons that sleep between passes, and what wakes them."""

from __future__ import annotations

import asyncio

import kopf


async def sleep(waker: asyncio.Event, stopped: kopf.DaemonStopped, pause: float) -> None:
    """Return after `pause` seconds, or when woken or stopped; never at once, so that a burst is one pass."""
    await asyncio.sleep(min(pause, 0.1))
    tasks = [asyncio.ensure_future(waker.wait()), asyncio.ensure_future(stopped.wait())]
    try:
        await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

"""The kopf side of datastores: one daemon each that runs passes, woken by what happens to it or its pods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import kopf

from installer.controller import daemons
from installer.controller.datastores.datastores import Datastores
from installer.controller.datastores.status import failed, status
from installer.controller.manager_api import Api
from installer.controller.status import Condition, Happened
from installer.core.errors import InstallerError
from installer.kubernetes import client, datastore

_RESOURCE = ("moorage.dev", "v1", "datastores")
_BUSY_S, _STEADY_S, _IN_USE_S = 1.0, 20.0, 5.0
log = logging.getLogger("moorage.controller")


def register(registry: kopf.OperatorRegistry, api: Api, datastores: Datastores) -> None:
    """Look after `kind: Datastore` resources."""
    wakers: dict[str, asyncio.Event] = {}
    resources = daemons.Resources()

    def waker(name: str) -> asyncio.Event:
        return wakers.setdefault(name, asyncio.Event())

    @kopf.daemon(*_RESOURCE, registry=registry, cancellation_timeout=5)
    async def keep(name: str, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
        while not stopped:
            waker(name).clear()
            pause = await _one_pass(api, datastores, name, body)
            await daemons.sleep(waker(name), stopped, pause)

    @kopf.on.event(*_RESOURCE, registry=registry)
    async def changed(name: str, meta: kopf.Meta, **_: Any) -> None:
        if resources.changed(name, meta):
            waker(name).set()

    @kopf.on.event("pods", labels={datastore.LABEL: kopf.PRESENT}, registry=registry)
    async def pod_changed(labels: kopf.Labels, **_: Any) -> None:
        waker(labels[datastore.LABEL]).set()

    @kopf.on.delete(*_RESOURCE, registry=registry)
    async def delete(name: str, body: kopf.Body, **_: Any) -> None:
        if users := await asyncio.to_thread(datastores.users, name):
            # It serves until they are gone, so it is looked after until then.
            await _one_pass(api, datastores, name, body, in_use=users)
            raise kopf.TemporaryError(_blocked(users).message, delay=_IN_USE_S)
        try:
            await asyncio.to_thread(datastores.reconciler(name).delete, _plain(body))
        except InstallerError as exc:
            raise kopf.TemporaryError(exc.explain(), delay=daemons.FAILED_S) from exc
        datastores.forget(name)
        resources.forget(name)
        wakers.pop(name, None)


async def _one_pass(
    api: Api, datastores: Datastores, name: str, body: kopf.Body, *, in_use: tuple[str, ...] = ()
) -> float:
    """One pass and its status; returns the pause until the next. `in_use`: the clusters that keep it from going."""
    if not daemons.may_begin(body.metadata):
        return daemons.FAILED_S
    before = dict(body.status)
    generation = body.metadata["generation"]
    try:
        users = in_use or await asyncio.to_thread(datastores.users, name)
        look = await asyncio.to_thread(datastores.reconciler(name).reconcile, _plain(body), users)
    except InstallerError as exc:
        # What was found before still holds, as far as anybody knows.
        log.warning("datastore %s: %s", name, exc.explain())
        wanted, pause = failed(exc, generation=generation, before=before), daemons.FAILED_S
    else:
        pause = _STEADY_S if look.steady else _BUSY_S
        datastores.note(name, look)
        found = replace(look.found, deletion=_blocked(in_use)) if in_use else look.found
        wanted = status(found, generation=generation, before=before)
    if wanted != {key: before.get(key) for key in wanted}:
        try:
            await asyncio.to_thread(api.patch_status, client.DatastoreResource, name, wanted)
        except InstallerError as exc:
            log.warning("datastore %s: %s", name, exc.explain())
            return daemons.FAILED_S
        pause = min(pause, daemons.REPORTED_S) if pause == _STEADY_S else pause
        if (phase := wanted["phase"]) != before.get("phase"):
            message = wanted["conditions"][-1]["message"] or "the datastore is ready"
            happened = Happened(phase, message, warning=phase in {"Unavailable", "Full", "Degraded"})
            await daemons.tell(api, "Datastore", body.metadata, happened)
    return pause


def _blocked(users: Sequence[str]) -> Condition:
    clusters = ", ".join(users)
    return Condition("Deletable", False, "InUse", f"it holds the data of {clusters}; it goes when they are deleted")


def _plain(body: kopf.Body) -> Mapping[str, Any]:
    return {"metadata": dict(body.metadata), "spec": dict(body.spec), "status": dict(body.status)}

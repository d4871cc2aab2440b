"""The kopf side: one daemon a cluster that runs passes, woken by what happens to the cluster or its pods."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import kopf
from lightkube import KubeConfig
from lightkube.resources.core_v1 import Node

from installer.controller import daemons
from installer.controller.address_pools import AddressPools
from installer.controller.clusters import watch
from installer.controller.clusters.pace import Pace
from installer.controller.clusters.reconciler import ClusterReconciler, Look
from installer.controller.clusters.starts import Starts, begun, by_cpu
from installer.controller.datastores import operator as datastore_operator
from installer.controller.datastores.datastores import Datastores
from installer.controller.hosts import Hosts
from installer.controller.lease import Lease
from installer.controller.manager_api import FIELD_MANAGER, Api
from installer.controller.status import Condition, Found, Happened, status
from installer.core.errors import InstallerError
from installer.kubernetes import addons, client, hosted
from installer.kubernetes.cluster_status import REFUSED, UPGRADE_FAILED
from installer.kubernetes.settings import PlatformSettings

_RESOURCE = ("moorage.dev", "v1", "clusters")
_CONNECT_S, _ANSWER_S, _QUIET_S = 3.0, 10.0, 20.0
_TROUBLE = {REFUSED, UPGRADE_FAILED, "Degraded"}  # phases
_QUEUED_S = 20.0  # it is woken when it is its turn
_AT_ONCE = 32  # passes; each waits for API servers most of the time
log = logging.getLogger("moorage.controller")


@dataclass
class World:
    """What all daemons share."""

    settings: PlatformSettings
    api: Api
    datastores: Datastores
    pools: AddressPools
    starts: Starts
    hosts: Hosts
    reconcilers: dict[str, ClusterReconciler] = field(default_factory=dict)
    wakers: dict[str, asyncio.Event] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)
    resources: daemons.Resources = field(default_factory=daemons.Resources)
    loop: asyncio.AbstractEventLoop | None = None  # that the daemons run in

    def reconciler(self, name: str) -> ClusterReconciler:
        if name not in self.reconcilers:
            self.reconcilers[name] = ClusterReconciler(
                name,
                self.api,
                self.datastores,
                self.settings,
                pools=self.pools,
                starts=self.starts,
                hosts=self.hosts,
            )
        return self.reconcilers[name]

    def waker(self, name: str) -> asyncio.Event:
        return self.wakers.setdefault(name, asyncio.Event())

    def wake(self, name: str) -> None:
        """Have a cluster looked at now. May be called from any thread."""
        if self.loop is not None and name in self.wakers:
            self.loop.call_soon_threadsafe(self.wakers[name].set)

    def pace(self, name: str) -> Pace:
        return self.paces.setdefault(name, Pace())

    def forget(self, name: str) -> None:
        self.paces.pop(name, None)
        self.resources.forget(name)
        self.reconcilers.pop(name, None)
        self.wakers.pop(name, None)


def run(settings: PlatformSettings) -> None:
    """Serve until a signal ends it, or another controller has taken over."""
    api = Api(client.client_of(KubeConfig.from_service_account(), field_manager=FIELD_MANAGER))
    kopf.configure(verbose=False)
    # kopf tells of every event of every pod that it was handled.
    for chatty in ("httpx2", "aiohttp.access", "kopf.objects"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    lease = Lease(api.client, addons.CONTROLLER, addons.SYSTEM, socket.gethostname())
    lease.acquire()
    threading.Thread(target=lease.renew, name="lease", daemon=True).start()
    # At once, whatever is under way: it may be killed anywhere.
    threading.Thread(target=lease.watch, args=(lambda: os._exit(1),), name="lease watch", daemon=True).start()
    try:
        _serve(settings, api)
    finally:
        lease.release()


def _serve(settings: PlatformSettings, api: Api) -> None:
    datastores = Datastores(api, settings, Path(mkdtemp(prefix="moorage-")))
    pools = AddressPools(api, settings)
    starts = Starts(by_cpu(api), under_way=lambda: begun(api))
    world = World(settings, api, datastores, pools, starts, Hosts(api, settings.graces))
    starts.wake = world.wake
    registry = kopf.OperatorRegistry()
    _register(registry, world)
    datastore_operator.register(registry, api, datastores)
    kopf.run(
        registry=registry,
        clusterwide=True,
        identity=FIELD_MANAGER,  # else kopf asks for the name of a user, and nobody has one here
        standalone=True,  # the lease sees to that
        liveness_endpoint="http://0.0.0.0:8080/healthz",
    )


def _register(registry: kopf.OperatorRegistry, world: World) -> None:
    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        found = kopf.login_with_service_account(**kwargs)
        # By address, as everything here: cluster DNS may be on the host that is lost.
        return found and dataclasses.replace(found, server=_server())

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.persistence.finalizer = daemons.FINALIZER
        settings.posting.enabled = False  # events are ours
        settings.execution.default_backoff = daemons.FAILED_S
        # For a while after a manager is lost, one connection in three leads to it: by default kopf waits two minutes
        # for such a one to open, five for an answer, and 70 s for something to watch.
        settings.networking.connect_timeout = settings.watching.connect_timeout = _CONNECT_S
        settings.networking.request_timeout = _ANSWER_S
        settings.watching.inactivity_timeout = _QUIET_S
        world.loop = asyncio.get_running_loop()
        world.loop.set_default_executor(ThreadPoolExecutor(max_workers=_AT_ONCE))

    @kopf.daemon(*_RESOURCE, registry=registry, cancellation_timeout=5)
    async def keep(name: str, body: kopf.Body, stopped: kopf.DaemonStopped, **_: Any) -> None:
        waker = world.waker(name)
        while not stopped:
            waker.clear()
            pause = await _one_pass(world, name, body)
            await daemons.sleep(waker, stopped, pause)

    @kopf.daemon(*_RESOURCE, registry=registry, cancellation_timeout=5)
    async def listen(name: str, stopped: kopf.DaemonStopped, **_: Any) -> None:
        await _listen(world, name, stopped)

    @kopf.on.event(*_RESOURCE, registry=registry)
    async def changed(name: str, meta: kopf.Meta, **_: Any) -> None:
        if world.resources.changed(name, meta):
            world.waker(name).set()

    @kopf.on.event("pods", labels={hosted.CLUSTER_LABEL: kopf.PRESENT}, registry=registry)
    async def pod_changed(labels: kopf.Labels, namespace: str, **_: Any) -> None:
        name = labels[hosted.CLUSTER_LABEL]
        if name in world.reconcilers:
            world.reconcilers[name].pod_changed(namespace)
        world.waker(name).set()

    @kopf.on.event("nodes", registry=registry)
    async def host_changed(name: str, event: kopf.RawEvent, **_: Any) -> None:
        node: Any = Node.from_dict(event["object"])
        if world.hosts.note(name, None if event["type"] == "DELETED" else node):
            for waker in world.wakers.values():
                waker.set()

    @kopf.on.delete(*_RESOURCE, registry=registry)
    async def delete(name: str, body: kopf.Body, **_: Any) -> None:
        try:
            left = await asyncio.to_thread(world.reconciler(name).delete, _resource(body))
        except InstallerError as exc:
            raise kopf.TemporaryError(exc.explain(), delay=daemons.FAILED_S) from exc
        for one in left:
            log.warning("cluster %s: %s", name, one.message)
            await daemons.tell(world.api, "Cluster", body.metadata, one)
        world.forget(name)


async def _one_pass(world: World, name: str, body: kopf.Body) -> float:
    """One pass, its events and its status; returns the pause until the next, unless something wakes it before."""
    if not daemons.may_begin(body.metadata):
        return daemons.FAILED_S
    resource = _resource(body)  # as it is now: `body` follows every change, in the middle of a pass, too
    generation = resource["metadata"]["generation"]
    try:
        look = await asyncio.to_thread(world.reconciler(name).reconcile, resource)
    except InstallerError as exc:
        log.warning("cluster %s: %s", name, exc.explain())
        look = Look(Found(conditions=(Condition("ControlPlaneReady", False, "Failed", str(exc)),)), steady=False)
        pause = daemons.FAILED_S
    else:
        steady = look is None or look.steady
        pause = world.pace(name).pause(steady=steady, generation=generation, now=time.monotonic())
        if look is not None and look.queued:
            pause = _QUEUED_S
        pause = min(pause, world.hosts.decides_in())
    if look is None:  # it is being deleted
        return pause
    try:
        reported = await _report(world, name, body, look, generation)
    except InstallerError as exc:
        log.warning("cluster %s: %s", name, exc.explain())
        reported, pause = [], daemons.FAILED_S
    if reported is not None and look.steady:
        pause = min(pause, daemons.REPORTED_S)
    for one in (*look.happened, *(reported or ())):
        await daemons.tell(world.api, "Cluster", body.metadata, one)
    return pause


async def _listen(world: World, name: str, stopped: kopf.DaemonStopped) -> None:
    """Wake whoever looks after a cluster when the cluster's own API tells of something that we do for it."""

    def changed() -> None:
        world.reconciler(name).changed_inside()
        world.waker(name).set()

    async def once() -> None:
        api = await asyncio.to_thread(world.reconciler(name).watcher)
        if api is None:
            await asyncio.sleep(daemons.FAILED_S)
            return
        async with api:
            try:
                await watch.listen(api, changed, also=world.reconciler(name).also)
            except InstallerError:  # its passes tell what is wrong with an API, and look for themselves meanwhile
                await asyncio.sleep(daemons.FAILED_S)

    while not stopped:
        await daemons.until(once(), stopped)


async def _report(world: World, name: str, body: kopf.Body, look: Look, generation: int) -> list[Happened] | None:
    """Write the status where it is another (None: it is not), as that of the generation that was looked at.

    Returns what is to be told: a new phase.
    """
    before = dict(body.status)
    wanted = status(look.found, generation=generation, before=before)
    if wanted == {key: before.get(key) for key in wanted}:
        return None
    await asyncio.to_thread(world.api.patch_status, client.ClusterResource, name, wanted)
    if wanted["phase"] == before.get("phase"):
        return []
    message = next((c["message"] for c in wanted["conditions"] if c["status"] == "False"), "the cluster is ready")
    return [Happened(wanted["phase"], message, warning=wanted["phase"] in _TROUBLE)]


def _resource(body: kopf.Body) -> dict[str, Any]:
    """The resource as those see it who know nothing of kopf."""
    return {"metadata": dict(body.metadata), "spec": dict(body.spec), "status": dict(body.status)}


def _server() -> str:
    return f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"

"""Several clusters without nodes of one manager, each with an API of its own, on APIs that are dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import Client

from installer.controller.address_pools import AddressPools
from installer.controller.clusters.reconciler import ClusterReconciler, Look
from installer.controller.clusters.starts import Starts, begun
from installer.controller.datastores import one_pass
from installer.controller.datastores.datastores import Datastores
from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api
from installer.controller.status import status
from installer.core.clock import SystemClock
from installer.kubernetes import client
from installer.kubernetes.client import ClusterResource
from tests.fakes.kubernetes import Document, FakeApi, Life
from tests.unit.controller.clusters.world import AUTHORITY, OLDER, WELL, FakeEtcdctl, World
from tests.unit.kubernetes import fixed

AT_ONCE = 2
OLD, NEW = "b" * 64, "c" * 64  # bundles
ALL = 60  # passes, more than it takes


class Many:
    """Of these names; so many control planes may start at a time, and new pods are ready when told to."""

    def __init__(
        self, names: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: int = AT_ONCE
    ) -> None:
        self.names, self.at_once = names, at_once
        monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
        self.world = World(folder, monkeypatch)
        self.manager = self.world.manager
        self.inside: dict[str, FakeApi] = {}  # by the authority that its clients trust
        monkeypatch.setattr(client, "connect", self._connect)
        kubernetes = self.manager._wrote
        self.manager._wrote = lambda written: self._wrote(written, kubernetes)
        self.life = Life()
        self.templates: dict[str, Document] = {}  # of the last write, by namespace
        self.slow = False  # pods take until `arrive`
        for name in self.names:
            spec = {"version": OLDER, "pools": []}
            made = {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}
            self.manager.put(made)
        self.start(OLD)
        self.settle()

    def start(self, bundle: str, ends: int | None = None) -> None:
        """A controller, of a bundle, that knows nothing yet and is killed after so many calls."""
        self.life = Life(ends)
        api = Api(cast(Client, self.manager.client(self.life)))
        settings = fixed.settings(bundle=bundle)
        datastores = Datastores(api, settings, self.world.folder)
        etcdctl: Any = FakeEtcdctl(self.world.etcd, self.life)
        serving = one_pass.Serving(("https://192.0.2.1:2379",), AUTHORITY, etcdctl)
        datastores.note("shared", one_pass.Look(WELL, steady=True, serving=serving))
        shared: dict[str, Any] = {
            "pools": AddressPools(api, settings),
            "starts": Starts(lambda: self.at_once, under_way=lambda: begun(api)),
            "hosts": Hosts(api, {}),
        }
        self.controllers = {name: ClusterReconciler(name, api, datastores, settings, **shared) for name in self.names}

    def look(self, name: str) -> Look:
        """One pass over a cluster, and its status."""
        resource = self.manager.get("Cluster", "", name)
        look = self.controllers[name].reconcile(resource)
        assert look is not None
        generation = resource["metadata"]["generation"]
        found = status(look.found, generation=generation, before=resource.get("status") or {})
        self.manager.client(self.life).patch(ClusterResource.Status, name, {"status": found})
        return look

    def look_at_all(self) -> None:
        for name in self.names:
            self.look(name)

    def settle(self) -> None:
        """Until nothing is under way; whatever starts has started by the next look."""
        for _ in range(ALL):
            looks = [self.look(name) for name in self.names]
            if all(look.steady for look in looks):
                return
            self.arrive()
        raise AssertionError("not steady")

    def restore(self, saved: Any) -> None:
        """Be as the world was then."""
        self.world.restore(saved)
        self.templates = {
            one["metadata"]["namespace"]: one["spec"]["template"] for one in self.manager.of("Deployment")
        }

    def arrive(self) -> None:
        """The pods that have been begun are ready."""
        for deployment in self.manager.of("Deployment"):
            deployment["status"] = _counts(deployment, updated=True)

    def on(self, bundle: str) -> set[str]:
        """The clusters whose control plane is to be made from a bundle."""
        found = self.manager.of("Deployment")
        return {one["metadata"]["namespace"].removeprefix("cluster-") for one in found if bundle in str(one["spec"])}

    def starting(self) -> set[str]:
        """Those whose pods are not ready yet."""
        return {
            one["metadata"]["namespace"].removeprefix("cluster-")
            for one in self.manager.of("Deployment")
            if one["status"]["updatedReplicas"] == 0
        }

    def shown(self, name: str) -> Document:
        return cast(Document, self.manager.get("Cluster", "", name)["status"])

    def condition(self, name: str) -> tuple[str, str]:
        (found,) = [one for one in self.shown(name)["conditions"] if one["type"] == "ControlPlaneReady"]
        return found["reason"], found["message"]

    def _connect(self, _: Sequence[str], *, ca_pem: str, **__: Any) -> Any:
        return self.inside.setdefault(ca_pem, FakeApi()).client(self.life, "inside:")

    def _wrote(self, written: Document, kubernetes: Callable[[Document], None]) -> None:
        kubernetes(written)
        if written["kind"] == "Deployment":
            had = self.templates.get(written["metadata"]["namespace"])
            self.templates[written["metadata"]["namespace"]] = written["spec"]["template"]
            if self.slow and had not in (None, written["spec"]["template"]):
                written["status"] = _counts(written, updated=False)


def _counts(deployment: Document, *, updated: bool) -> Document:
    """The status of a Deployment: the old pods serve in any case."""
    count = deployment["spec"]["replicas"]
    generation = deployment["metadata"]["generation"]
    counts = {"replicas": count, "readyReplicas": count, "updatedReplicas": count if updated else 0}
    return {"observedGeneration": generation, **counts}

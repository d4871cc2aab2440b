"""A cluster's surroundings as dictionaries: a manager, a datastore, its own API, all of which outlive a controller."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import Client

from installer.controller.address_pools import AddressPools
from installer.controller.clusters import rotation
from installer.controller.clusters.reconciler import ClusterReconciler
from installer.controller.clusters.starts import Starts
from installer.controller.datastores import one_pass
from installer.controller.datastores import status as datastores_status
from installer.controller.datastores.datastores import Datastores
from installer.controller.hosts import Hosts
from installer.controller.manager_api import Api
from installer.controller.status import Condition, status
from installer.kubernetes import client, dedicated, documents, hosted, pki, storage
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.cluster_status import UPGRADE_FAILED
from installer.kubernetes.roots import Roots
from tests.fakes.kubernetes import Document, FakeApi, Life, node_info
from tests.unit.kubernetes import fixed

NAME, NAMESPACE = "team-a", "cluster-team-a"
HOSTS = ("worker-1", "worker-2")
OLDER, NEWER = "1.36.3", "1.37.2"
PASSES = 20  # more than any of these takes
WELL = datastores_status.Found(
    available=Condition("Available", True, "Serving"),
    members_ready=Condition("MembersReady", True, "Ready"),
    space=Condition("SpaceAvailable", True, "RoomLeft"),
)
AUTHORITY = pki.new_ca("shared")


class Etcd:
    """A datastore's users, roles and keys."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.roles: set[str] = set()
        self.keys: set[str] = set()

    def run(self, command: Sequence[str]) -> None:
        match list(command):
            case ["user" | "role" as kind, "add", name, *_]:
                self._named(kind).add(name)
            case ["user" | "role" as kind, "delete", name]:
                self._named(kind).discard(name)
            case ["del", prefix, "--prefix"]:
                self.keys -= {key for key in self.keys if key.startswith(prefix)}
            case ["role", "grant-permission", name, *_] | ["user", "grant-role", name, *_]:
                assert name in self.roles
            case _:
                raise AssertionError(command)

    def _named(self, kind: str) -> set[str]:
        return self.users if kind == "user" else self.roles


class FakeEtcdctl:
    """The datastore as one process sees it."""

    def __init__(self, etcd: Etcd, life: Life) -> None:
        self._etcd, self._life = etcd, life

    def run_all(self, commands: Sequence[Sequence[str]]) -> None:
        for command in commands:
            self._life.call(" ".join(("etcdctl", *command)), lambda command=command: self._etcd.run(command))  # type: ignore[misc]


class World:
    """A manager with two workers, a datastore, and a cluster's own API, all of which outlive the controller."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.broken = ""  # a version whose API server does not come up
        self.serving: int | None = None  # replicas that are ready while others replace them; None: that takes no time
        self.etcd = Etcd()
        self.inside = FakeApi()
        self.manager = FakeApi(self._kubernetes)
        for host in HOSTS:
            self.manager.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": host}, "status": READY})
        store = {"apiVersion": "moorage.dev/v1", "kind": "Datastore", "metadata": {"name": "shared"}}
        self.manager.put({**store, "spec": {"members": 3}, "status": {"founded": True}})
        self.manager.put(json.loads(fixed.cluster().model_dump_json(by_alias=True)))
        self.life = Life()
        self.nodes: dict[str, str] = {}  # by their addresses
        monkeypatch.setattr(rotation, "authorities_of", self._told)
        monkeypatch.setattr(client, "connect", lambda *_, **__: self.inside.client(self.life, "inside:"))

    def controller(self, ends: int | None = None) -> ClusterReconciler:
        """The controller as it starts; it is killed after `ends` calls."""
        self.life = Life(ends)
        api = Api(cast(Client, self.manager.client(self.life)))
        datastores = Datastores(api, fixed.settings(), self.folder)
        etcdctl: Any = FakeEtcdctl(self.etcd, self.life)
        serving = one_pass.Serving(("https://192.0.2.1:2379",), AUTHORITY, etcdctl)
        datastores.note("shared", one_pass.Look(WELL, steady=True, serving=serving))
        pools = AddressPools(api, fixed.settings())
        starts, hosts = Starts(lambda: 1), Hosts(api, fixed.settings().graces)
        return ClusterReconciler(NAME, api, datastores, fixed.settings(), pools=pools, starts=starts, hosts=hosts)

    def upgrade(self, version: str) -> None:
        """Change the cluster's version as a user does."""
        self.resource["spec"]["version"] = version
        self.resource["metadata"]["generation"] += 1

    def versions(self) -> set[str]:
        """That the cluster is made of."""
        return self.node_versions() | _versions(self.manager.get("Deployment", NAMESPACE, hosted.CONTROL_PLANE))

    def node_versions(self) -> set[str]:
        """That nodes are made of: their Secrets say what is started."""
        names = {pod["metadata"]["name"] for pod in self.manager.of("Pod", NAMESPACE)}
        secrets = [self.manager.get("Secret", NAMESPACE, name)["data"] for name in names]
        return _versions([base64.b64decode(text).decode() for data in secrets for text in data.values()])

    def silence(self, host: str, *, since: str) -> None:
        """A host that the manager does not hear of any more, RFC 3339; nothing new comes to it."""
        node = self.manager.get("Node", "", host)
        node["status"] = {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": since}]}
        node["spec"] = {"unschedulable": True}

    def pods(self) -> set[tuple[str, str]]:
        """Its pods in the manager, and their hosts."""
        return {(pod["metadata"]["name"], pod["spec"]["nodeName"]) for pod in self.manager.of("Pod", NAMESPACE)}

    def saved(self) -> Any:
        """All there is, to be restored."""
        return copy.deepcopy((self.manager.held, self.inside.held, self.etcd))

    def restore(self, saved: Any) -> None:
        """Be as it was then."""
        self.manager.held, self.inside.held, self.etcd = copy.deepcopy(saved)

    @property
    def resource(self) -> Document:
        return self.manager.get("Cluster", "", NAME)

    def change(self, **pool: Any) -> None:
        """Change the cluster's pool as a user does."""
        self.resource["spec"]["pools"][0] |= pool
        self.resource["metadata"]["generation"] += 1

    def join(self, host: str, **meta: Any) -> None:
        """A pool names a whole host, and the installer makes it a node."""
        self.resource["spec"]["pools"].append({"name": "metal", "kind": "dedicated", "hosts": [host]})
        status = {
            **READY,
            "addresses": [{"type": "InternalIP", "address": HOST_ADDRESS}],
            "nodeInfo": node_info(OLDER),
        }
        node = {"apiVersion": "v1", "kind": "Node", "spec": {"taints": [STARTING]}, "status": status}
        self.inside.put({**node, "metadata": {"name": host, "labels": {dedicated.LABEL: ""}, **meta}})

    def ask(self, annotation: str, text: str) -> None:
        """As `kubectl annotate` does."""
        self.resource["metadata"].setdefault("annotations", {})[annotation] = text

    def roots(self) -> Roots:
        """As they are kept."""
        return Roots.from_mapping(documents.entries(self.manager.get("Secret", NAMESPACE, hosted.ROOTS)["data"]))

    def keep(self, controller: ClusterReconciler) -> None:
        """Pass after pass, with what each found in the status, until nothing is under way."""
        for _ in range(PASSES):
            look = controller.reconcile(self.resource)
            assert look is not None
            generation = self.resource["metadata"]["generation"]
            found = status(look.found, generation=generation, before=self.resource.get("status") or {})
            self.manager.client(self.life).patch(ClusterResource.Status, NAME, {"status": found})
            if look.steady and (look.found.ready or found["phase"] == UPGRADE_FAILED):
                return
        raise AssertionError(f"not steady after {PASSES} passes: {look}")

    def delete(self, controller: ClusterReconciler) -> None:
        """As kopf does once the resource is to go."""
        self.resource["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
        controller.delete(self.resource)

    def shown(self) -> list[str]:
        """What there is, the same for equal states: what is random is left out."""
        names = sorted(pod["metadata"]["name"] for pod in self.manager.of("Pod", NAMESPACE))
        lines = [_shown("manager", one) for one in self.manager.held.values() if one["kind"] != "Event"]
        lines += [_shown("inside", one) for one in self.inside.held.values()]
        lines += [f"etcd {self.etcd.users} {self.etcd.roles} {self.etcd.keys}"]
        text = "\n".join(sorted(lines))
        for name in names:
            text = text.replace(name, "NODE")
        return sorted(text.splitlines())

    def outside(self) -> list[str]:
        """What there is beside the cluster and its own API; the namespace of those who clear volumes stays."""
        objects = [
            one for one in self.manager.held.values() if one["metadata"]["name"] not in (NAME, storage.NAMESPACE)
        ]
        return sorted([*(_shown("", one) for one in objects), f"{self.etcd.users} {self.etcd.roles} {self.etcd.keys}"])

    def _kubernetes(self, written: Document) -> None:
        """What the manager and the cluster do by themselves when something is written."""
        kind, meta = written["kind"], written["metadata"]
        if kind == "Service":
            written["spec"].setdefault("clusterIP", f"10.127.0.{len(meta['name'])}")
            for port in written["spec"]["ports"]:
                port.setdefault("nodePort", 30001)
        if kind == "Secret" and meta["name"] == hosted.CONTROL_PLANE:
            published = {"ca.crt": documents.entries(written["data"])["ca.crt"].reveal()}
            where = {"name": "kube-root-ca.crt", "namespace": "kube-system"}
            self.inside.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": published})
        if kind == "Deployment":
            count = written["spec"]["replicas"]
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), count)
            written["status"] = {"observedGeneration": meta["generation"], **counts}
            if self.serving is not None:
                written["status"] |= {"replicas": count + 1, "updatedReplicas": 1, "readyReplicas": self.serving}
            if self.broken and self.broken in json.dumps(written["spec"]):
                late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
                written["status"] |= {"replicas": count + 1, "updatedReplicas": 1, "conditions": [late]}
            self.etcd.keys.add("/clusters/team-a/registry/namespaces/default")
        if kind == "Pod":
            nodes = {host: self.manager.get("Node", "", host).get("spec") or {} for host in HOSTS}
            open_host = next((host for host, spec in nodes.items() if not spec.get("unschedulable")), HOSTS[0])
            host = (written["spec"].get("nodeSelector") or {}).get("kubernetes.io/hostname", open_host)
            written["spec"]["nodeName"] = host
            done = meta["namespace"] != NAMESPACE
            address = next((ip for ip, name in self.nodes.items() if name == meta["name"]), f"ip-{len(self.nodes)}")
            self.nodes[address] = meta["name"]
            written["status"] = {"phase": "Succeeded" if done else "Running", "podIP": address}
            if not done and ("Node", "", meta["name"]) not in self.inside.held:
                node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": meta["name"]}, "status": READY}
                self.inside.put({**node, "spec": {"taints": [STARTING]}})

    def _told(self, address: str) -> str:
        """A node follows its Secret at once; so does a host, by an installer that is quick."""
        if address == HOST_ADDRESS:
            return self.roots().marker
        secret = self.manager.get("Secret", NAMESPACE, self.nodes[address])
        return documents.entries(secret["data"])["authorities"].reveal()


READY = {"conditions": [{"type": "Ready", "status": "True"}]}
STARTING = {"key": "moorage.dev/starting", "effect": "NoSchedule"}
HOST_ADDRESS = "192.0.2.31"  # of the one host that is a node as a whole


def _versions(found: Any) -> set[str]:
    return {version for version in (OLDER, NEWER) if version in json.dumps(found)}


def _shown(where: str, one: Document) -> str:
    """An object, without what is random or tells the time."""
    meta = {key: one["metadata"].get(key) for key in ("namespace", "name", "labels", "deletionTimestamp")}
    told = {"keys": sorted(one.get("data") or ())} if one["kind"] == "Secret" else {"spec": one.get("spec")}
    text = json.dumps([where, one["kind"], meta, told], sort_keys=True, default=str)
    return re.sub(r'"(moorage.dev/config|moorage.dev/authorities|caBundle)": "[^"]+"', "", text)

"""Clusters through the manager's API: list, create, describe, scale, hand out access, delete."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from lightkube import ApiError
from lightkube.resources.core_v1 import Secret as SecretResource

from installer.core import clock
from installer.core.errors import InfrastructureError, KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import client, cluster_status, control_plane, datastore, hosted, pki
from installer.kubernetes import kubeconfig as access
from installer.kubernetes.client import ClusterResource
from installer.spec.base import API_VERSION
from installer.spec.cluster import Cluster
from installer.spec.quantity import seconds
from installer.workflows import datastores, registry_logins
from installer.workflows.session import Session

_READY_TIMEOUT_S = 300
_GONE_TIMEOUT_S = 180
_NODE_S = 60  # for a node to come up where another is to go
_FOLLOW_S, _FOLLOW_EACH_S = 240, 60  # drains may take their time, and hosts carry so many changes at once
_NOT_FOUND = 404
_CONNECT_TIMEOUT_S = 2
MANAGER: Final = "manager"  # no cluster may have this name
_MANAGER_DAYS = 30


@dataclass(frozen=True)
class Condition:
    """One condition of a cluster's status."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class NodeInfo:
    """One node of a cluster."""

    name: str
    pool: str
    host: str  # empty: it has no place yet
    ready: bool


@dataclass(frozen=True, kw_only=True)
class ClusterInfo:
    """A cluster as its resource tells."""

    name: str
    version: str  # that it is to have
    runs: str  # that all of its control plane runs, or last ran
    phase: str
    control_plane_ready: int
    control_plane_wanted: int
    nodes_ready: int
    nodes_wanted: int
    endpoint: str
    created: str
    conditions: tuple[Condition, ...]
    nodes: tuple[NodeInfo, ...] = ()
    datastore: str = ""
    bundle: str = ""  # digest of the one that it was last whole on

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.conditions)

    @property
    def serves(self) -> bool:
        """Whether it is ready, but perhaps for hosts of dedicated pools, which only the installer brings."""
        others = [c for c in self.conditions if c.type not in ("Ready", cluster_status.HOSTS_READY)]
        return bool(others) and all(c.status == "True" for c in others)

    @property
    def may_be_upgraded(self) -> bool:
        """One that an earlier run was killed on, or that did not come up, too: going on is what mends it."""
        return self.ready or self.phase in {cluster_status.UPDATING, cluster_status.UPGRADE_FAILED}

    @property
    def waits_for(self) -> str:
        """Why it is not ready, in the words of its conditions."""
        lacking = [c for c in self.conditions if c.status != "True" and c.type != "Ready"]  # Ready repeats the first
        return "; ".join(f"{c.type}: {c.message or c.reason}" for c in lacking)


def list_(session: Session) -> tuple[ClusterInfo, ...]:
    """All clusters by name."""
    with client.translated("list clusters"):
        found = [info(resource.to_dict()) for resource in session.api.list(ClusterResource)]
    return tuple(sorted(found, key=lambda cluster: cluster.name))


def await_bundle(session: Session, on_wait: Callable[[str], None]) -> None:
    """Return once all clusters, and the datastores they share, are whole on the session's bundle.

    Clusters that were never ready, or that this platform refuses, are not waited for. Raises WaitTimeoutError.
    """
    count = len(list_(session))

    def behind() -> str | None:
        try:
            found = [one for one in list_(session) if one.bundle and one.phase != cluster_status.REFUSED]
            stores = [f"datastore {one.name}: {one.problem}" for one in datastores.list_(session) if one.problem]
        except client.ApiUnavailableError as exc:
            return str(exc)
        late = [one for one in found if one.bundle != session.bundle.digest]
        reasons = [f"{one.name}: {one.waits_for or 'not begun yet'}" for one in late] or stores
        if reasons:
            on_wait("; ".join(reasons))
        return "; ".join(reasons) or None

    clock.wait_until(
        behind,
        what=f"all clusters follow release {session.bundle.release}",
        timeout_s=_FOLLOW_S + count * _FOLLOW_EACH_S,
        clock=clock.SystemClock(),
        hint="`moorage status`; they go on by themselves once the cause is mended",
    )


def create(session: Session, cluster: Cluster, *, wait: bool = True) -> ClusterInfo:
    """Create a cluster that must not exist yet; with `wait`, return once it is ready."""
    if find(session, cluster.name) is not None:
        raise KubernetesError(
            f"a cluster {cluster.name} exists already",
            hint="choose another name, or change that one in the specification and run `moorage up`",
        )
    apply(session, cluster)
    return await_ready(session, cluster) if wait else describe(session, cluster.name)


def describe(session: Session, name: str) -> ClusterInfo:
    """One cluster; raises KubernetesError when there is none of this name."""
    found = find(session, name)
    if found is None:
        raise _unknown(name)
    return info(found)


def kubeconfig(session: Session, name: str) -> Secret:
    """The kubeconfig of a cluster's administrator, at the first host that answers; `manager` is the manager itself."""
    if name == MANAGER:
        return _managers(session)
    describe(session, name)
    try:
        found = session.api.get(SecretResource, hosted.ADMIN_KUBECONFIG, namespace=hosted.namespace(name))
    except ApiError as exc:
        if exc.status.code != _NOT_FOUND:
            raise KubernetesError(f"read the kubeconfig of {name}: {exc.status.message}") from exc
        raise KubernetesError(
            f"cluster {name} has no kubeconfig yet",
            cause="it is still being made",
            hint=f"`moorage cluster describe {name}`",
        ) from exc
    config = Secret(base64.b64decode((found.data or {})["kubeconfig"]).decode())
    port = urlsplit(access.server_of(config)).port
    # Its port is open on every host; the one it was made with may be gone by now.
    urls = [f"https://{address}:{port}" for address in session.endpoints]
    # Behind a bastion none of them answers here, and a balancer may be there for the manager's API alone.
    some_host = next(iter(session.nodes.values())).address
    return access.with_server(config, next((url for url in urls if _answers(url)), f"https://{some_host}:{port}"))


def _managers(session: Session) -> Secret:
    authority = session.roots.authorities["kubernetes"]
    servers = session.manager_urls
    if not servers:
        raise InfrastructureError(
            f"none of the managers that the specification names is a host of {session.platform.name} yet",
            hint="`moorage up`, or ask with the specification that it was brought up with",
        )
    user = "moorage-admin"
    return access.embedded(
        server=next((url for url in servers if client.not_ready(url, authority.trusted) is None), servers[0]),
        ca_pem=authority.trusted,
        credential=authority.issue(pki.Subject(user, (control_plane.ADMIN_GROUP,)), days=_MANAGER_DAYS),
        context=MANAGER,
        user=user,
    )


def _answers(url: str) -> bool:
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=_CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def delete(session: Session, name: str, *, wait: bool = True) -> None:
    """Delete a cluster; with `wait`, return once nothing of it is left."""
    describe(session, name)
    with client.translated(f"delete cluster {name}"):
        session.api.delete(ClusterResource, name)
    if wait:
        clock.wait_until(
            lambda: None if find(session, name) is None else "its resource is still there",
            what=f"cluster {name} is gone",
            timeout_s=_GONE_TIMEOUT_S,
            clock=clock.SystemClock(),
            hint=f"`moorage cluster describe {name}` says what it waits for",
        )


def find(session: Session, name: str) -> dict[str, Any] | None:
    """The resource of a cluster, or None."""
    try:
        with client.translated(f"read cluster {name}"):
            return dict(session.api.get(ClusterResource, name).to_dict())
    except KubernetesError as exc:
        if isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == _NOT_FOUND:
            return None
        raise


def apply(session: Session, cluster: Cluster) -> None:
    """Create or change the resource of a cluster, after the Secrets that its specification fills."""
    registry_logins.apply(session, cluster)
    client.apply(session.api, [document(cluster)])


def document(cluster: Cluster) -> dict[str, Any]:
    """The resource as the specification means it, with the defaults of the model."""
    return cluster.model_dump(mode="json", by_alias=True, exclude_none=True)


def scale(
    session: Session, name: str, *, pool: str = "", nodes: int | None = None, replicas: int | None = None
) -> Cluster:
    """Give a pool of a cluster, or its control plane, another size; returns the cluster as it is to be.

    Written as `up` writes it, whole and by the same field manager: two managers of one number would keep a pool alive
    that one of them removes. Raises KubernetesError where the cluster or the pool is not there.
    """
    resource = find(session, name)
    if resource is None:
        raise _unknown(name)
    return _rewrite(session, resource, scaled(resource["spec"], name, pool=pool, nodes=nodes, replicas=replicas))


def upgrade(session: Session, name: str, version: str) -> Cluster:
    """Give a cluster another version; returns the cluster as it is to be. Written as `scale` writes it."""
    resource = find(session, name)
    if resource is None:
        raise _unknown(name)
    seen = info(resource)
    if (
        seen.version == version and seen.phase == cluster_status.UPGRADE_FAILED
    ):  # the same once more is no other attempt
        resource = {**resource, "spec": {**resource["spec"], "version": seen.runs}}
        _rewrite(session, resource, resource["spec"])
    return _rewrite(session, resource, {**resource["spec"], "version": version})


def hosts_with_volumes(session: Session) -> dict[str, tuple[str, ...]]:
    """The clusters that have data on a host's disk, by host."""
    with client.translated("list clusters"):
        resources = [resource.to_dict() for resource in session.api.list(ClusterResource)]
    found: dict[str, tuple[str, ...]] = {}
    for resource in sorted(resources, key=lambda one: str(one["metadata"]["name"])):
        for entry in (resource.get("status") or {}).get("volumes") or ():
            if entry.get("count"):
                found[entry["host"]] = (*found.get(entry["host"], ()), resource["metadata"]["name"])
    return found


def labels(session: Session) -> dict[str, dict[str, str]]:
    """The labels of all clusters, by name."""
    with client.translated("list clusters"):
        found = [resource.to_dict()["metadata"] for resource in session.api.list(ClusterResource)]
    return {meta["name"]: dict(meta.get("labels") or {}) for meta in sorted(found, key=lambda meta: str(meta["name"]))}


def _rewrite(session: Session, resource: Mapping[str, Any], spec: Mapping[str, Any]) -> Cluster:
    name = resource["metadata"]["name"]
    metadata = {"name": name, **_applied_metadata(resource["metadata"])}
    cluster = Cluster.model_validate({"apiVersion": API_VERSION, "kind": "Cluster", "metadata": metadata, "spec": spec})
    apply(session, cluster)
    return cluster


def scaled(
    spec: Mapping[str, Any], name: str, *, pool: str = "", nodes: int | None = None, replicas: int | None = None
) -> dict[str, Any]:
    """A cluster's spec with other numbers; without `pool`, it must have exactly one. Raises KubernetesError."""
    changed = dict(spec)
    if replicas is not None:
        changed["controlPlane"] = {**(spec.get("controlPlane") or {}), "replicas": replicas}
    if nodes is None:
        return changed
    names = [one["name"] for one in spec.get("pools") or ()]
    chosen = pool or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        what = f"there is no pool {pool} in cluster {name}" if pool else f"cluster {name} has {len(names)} pools"
        raise KubernetesError(what, hint=f"--pool with one of: {', '.join(names)}" if names else "add a pool to it")
    changed["pools"] = [{**one, "count": nodes} if one["name"] == chosen else one for one in spec["pools"]]
    return changed


def _applied_metadata(metadata: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The labels and annotations that we applied ourselves: what is not applied again would be taken away."""
    ours: Mapping[str, Any] = next(
        (
            entry["fieldsV1"].get("f:metadata", {})
            for entry in metadata.get("managedFields") or ()
            if entry.get("manager") == client.FIELD_MANAGER and entry.get("operation") == "Apply"
        ),
        {},
    )
    return {
        kind: {key: text for key, text in (metadata.get(kind) or {}).items() if f"f:{key}" in ours.get(f"f:{kind}", {})}
        for kind in ("labels", "annotations")
    }


def _unknown(name: str) -> KubernetesError:
    return KubernetesError(f"there is no cluster {name}", hint="`moorage cluster list`")


def await_ready(
    session: Session,
    cluster: Cluster,
    *,
    waiting: Callable[[str], None] = lambda reason: None,
    per_node: bool = False,
) -> ClusterInfo:
    """Wait until the cluster serves as it is specified now; raises WaitTimeoutError with its conditions.

    `per_node`: its nodes are replaced one after the other, each drained before.
    """
    pools = cluster.spec.pools if per_node else ()
    drains_s = sum(pool.count * (seconds(pool.drain_timeout) + _NODE_S) for pool in pools)

    def unready() -> str | None:
        found = find(session, cluster.name)
        if found is None:
            return "its resource is gone"
        seen = info(found)
        if seen.serves and (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]:
            return None
        looked = (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]
        if looked and seen.phase == cluster_status.REFUSED:
            raise KubernetesError(
                f"cluster {cluster.name} is refused: {seen.waits_for}",
                hint=f"change the specification, or `moorage cluster delete {cluster.name}`",
            )
        if looked and (failed := next((c for c in seen.conditions if c.reason == cluster_status.UPGRADE_FAILED), None)):
            raise KubernetesError(
                f"cluster {cluster.name} is not upgraded: {failed.message}",
                hint=f"`moorage cluster describe {cluster.name}`",
            )
        reason = seen.waits_for or "the controller has not looked at it yet"
        waiting(reason)
        return reason

    clock.wait_until(
        unready,
        what=f"cluster {cluster.name} is ready",
        timeout_s=_READY_TIMEOUT_S + drains_s,
        clock=clock.SystemClock(),
        every_s=0.25,
        hint=f"`moorage cluster describe {cluster.name}`",
    )
    return describe(session, cluster.name)


def info(resource: Mapping[str, Any]) -> ClusterInfo:
    """A cluster's resource as we show it."""
    spec, status = resource.get("spec") or {}, resource.get("status") or {}
    plane, nodes = status.get("controlPlane") or {}, status.get("nodes") or {}
    pools: Sequence[Mapping[str, Any]] = spec.get("pools") or ()
    return ClusterInfo(
        name=resource["metadata"]["name"],
        version=spec.get("version", ""),
        runs=plane.get("version") or spec.get("version", ""),
        phase=status.get("phase", cluster_status.PENDING),
        control_plane_ready=plane.get("ready", 0),
        control_plane_wanted=(spec.get("controlPlane") or {}).get("replicas", 1),
        nodes_ready=nodes.get("ready", 0),
        nodes_wanted=sum(len(pool["hosts"]) if "hosts" in pool else pool.get("count", 1) for pool in pools),
        endpoint=status.get("endpoint", ""),
        created=str(resource["metadata"].get("creationTimestamp", "")),
        conditions=tuple(
            Condition(c["type"], c["status"], c.get("reason", ""), c.get("message", ""))
            for c in status.get("conditions") or ()
        ),
        nodes=tuple(NodeInfo(n["name"], n["pool"], n["host"], n["ready"]) for n in nodes.get("items") or ()),
        bundle=status.get("bundle", ""),
        datastore=(status.get("datastore") or {}).get("name")
        or datastore.name_for(resource["metadata"]["name"], spec.get("datastore", datastore.SHARED)),
    )

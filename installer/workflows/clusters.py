"""Clusters through the manager's API: list, create, describe, scale, hand out access, delete."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from lightkube.resources.core_v1 import Secret as SecretResource

from installer.core import clock
from installer.core.errors import InfrastructureError, KubernetesError
from installer.core.secret import Secret
from installer.kubernetes import client, cluster_status, control_plane, hosted, pki
from installer.kubernetes import kubeconfig as access
from installer.kubernetes.client import ClusterResource
from installer.spec.base import API_VERSION
from installer.spec.cluster import Cluster
from installer.spec.quantity import seconds
from installer.workflows import datastores, registry_logins
from installer.workflows.cluster_info import ClusterInfo, info
from installer.workflows.session import Session

_READY_TIMEOUT_S = 300
_GONE_TIMEOUT_S = 180
_NODE_S = 60  # for a node to come up where another is to go
_NAMED = 5  # as many clusters does a message name
_FOLLOW_S, _FOLLOW_EACH_S = 240, 60  # drains may take their time, and hosts carry so many changes at once
_CONNECT_TIMEOUT_S = 2
MANAGER: Final = "manager"  # no cluster may have this name
_MANAGER_DAYS = 30


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
        told = following(found, late) if late else "; ".join(stores)
        if told:
            on_wait(told)
        return told or None

    clock.wait_until(
        behind,
        what=f"all clusters follow release {session.bundle.release}",
        timeout_s=_FOLLOW_S + count * _FOLLOW_EACH_S,
        clock=clock.SystemClock(),
        hint="`moorage status`; they go on by themselves once the cause is mended",
    )


def following(found: Sequence[ClusterInfo], late: Sequence[ClusterInfo]) -> str:
    """How far clusters are that follow a change, for people: those under way by name, those that wait by number."""
    busy = [f"{one.name}: {one.waits_for or 'not begun yet'}" for one in late if not one.queued]
    queued = len(late) - len(busy)
    more = [f"and {len(busy) - _NAMED} more"] if len(busy) > _NAMED else []
    waits = ["1 waits for its turn" if queued == 1 else f"{queued} wait for their turn"] if queued else []
    done = len(found) - len(late)
    return "; ".join([f"{done} of {len(found)} have followed", *busy[:_NAMED], *more, *waits])


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
    return info(resource_of(session, name))


def kubeconfig(session: Session, name: str) -> Secret:
    """The kubeconfig of a cluster's administrator, at the first host that answers; `manager` is the manager itself."""
    if name == MANAGER:
        return _managers(session)
    describe(session, name)
    found = client.found_or_none(
        lambda: session.api.get(SecretResource, hosted.ADMIN_KUBECONFIG, namespace=hosted.namespace(name)),
        f"read the kubeconfig of {name}",
    )
    if found is None:
        raise KubernetesError(
            f"cluster {name} has no kubeconfig yet",
            cause="it is still being made",
            hint=f"`moorage cluster describe {name}`",
        )
    config = Secret(base64.b64decode((found.data or {})["kubeconfig"]).decode())
    port = urlsplit(access.server_of(config)).port
    # Its port is open on every host; the one it was made with may be gone by now.
    urls = [f"https://{address}:{port}" for address in session.endpoints]
    # Behind a bastion none of them may answer here.
    return access.with_server(config, next((url for url in urls if _answers(url)), urls[0]))


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
    found = client.found_or_none(lambda: session.api.get(ClusterResource, name), f"read cluster {name}")
    return dict(found.to_dict()) if found is not None else None


def resource_of(session: Session, name: str) -> dict[str, Any]:
    """The resource of a cluster; raises KubernetesError when there is none of this name."""
    found = find(session, name)
    if found is None:
        raise KubernetesError(f"there is no cluster {name}", hint="`moorage cluster list`")
    return found


def apply(session: Session, cluster: Cluster) -> None:
    """Create or change the resource of a cluster, after the Secrets that its specification fills."""
    registry_logins.apply(session, cluster)
    client.apply(session.api, [document(cluster)])


def would_be(session: Session, cluster: Cluster) -> dict[str, Any]:
    """The resource of a cluster that is there, as `apply` would leave it: what others set in it stays."""
    return client.would_be(session.api, document(cluster))


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
    resource = resource_of(session, name)
    return _rewrite(session, resource, scaled(resource["spec"], name, pool=pool, nodes=nodes, replicas=replicas))


def rehome(session: Session, name: str, region: str) -> Cluster:
    """Give a cluster another home; returns the cluster as it is to be. Written as `scale` writes it."""
    resource = resource_of(session, name)
    plane = {**(resource["spec"].get("controlPlane") or {}), "region": region}
    return _rewrite(session, resource, {**resource["spec"], "controlPlane": plane})


def upgrade(session: Session, name: str, version: str) -> Cluster:
    """Give a cluster another version; returns the cluster as it is to be. Written as `scale` writes it."""
    resource = resource_of(session, name)
    seen = info(resource)
    if seen.version == version and seen.failed_upgrade:  # the same once more is no other attempt
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
        if looked and seen.failed_upgrade:
            raise KubernetesError(
                f"cluster {cluster.name} is not upgraded: {seen.failed_upgrade}",
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

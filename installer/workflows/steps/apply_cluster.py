"""Step apply-cluster: a cluster's resource says what the specification says, and the cluster is ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from installer.core.errors import KubernetesError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.spec import faults
from installer.spec.changes import check_change
from installer.spec.cluster import Cluster
from installer.workflows import clusters, registry_logins
from installer.workflows.cluster_info import info
from installer.workflows.registry import STEPS
from installer.workflows.session import Session


@STEPS.step("apply-cluster")
class ApplyCluster:
    """The controller does the work; this step says what is wanted and waits."""

    title = "apply"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        cluster = _cluster(session, target)
        try:
            found = clusters.find(session, cluster.name) if session.hosts else None
        except KubernetesError:  # no API yet: an earlier phase sets it up
            found = None
        if found is None:
            return (Change(cluster.name, Action.CREATE, _summary(cluster)),)
        _require_allowed(session, cluster, found)
        differing = (
            *_differences(_told(found), _told(clusters.would_be(session, cluster))),
            *(f"Secret {name}: written anew" for name in registry_logins.differing(session, cluster)),
        )
        if differing:
            return (Change(cluster.name, Action.UPDATE, _summary(cluster), differing),)
        if not info(found).serves:
            return (Change(cluster.name, Action.RUN, "wait until it is ready"),)
        return ()

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        clusters.apply(session, _cluster(session, target))
        for name, host in session.hosts.items():  # what is wanted of those follows from clusters
            if host.role == "dedicated":
                session.forget(name)

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        clusters.await_ready(session, _cluster(session, target), waiting=report.waiting)


def _cluster(session: Session, target: Target) -> Cluster:
    return next(cluster for cluster in session.spec.clusters if cluster.name == target.name)


def _require_allowed(session: Session, cluster: Cluster, found: Mapping[str, Any]) -> None:
    """Raise SpecError for fields that may not change any more; the API would refuse them too, but later."""
    try:
        before = Cluster.model_validate({**clusters.document(cluster), "spec": found["spec"]})
        before = before.at(info(found).runs)
    except ValidationError:  # written by another version; the API knows what may become of it
        return
    earlier = replace(session.spec, clusters=(before,), platform=None)
    if wrong := check_change(earlier, session.spec):
        raise faults.spec_error(wrong)


def _summary(cluster: Cluster) -> str:
    nodes = sum(pool.count for pool in cluster.spec.pools)
    replicas = cluster.spec.control_plane.replicas
    return f"Kubernetes {cluster.spec.version}, control plane x{replicas}, {nodes} nodes"


def _told(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a resource is told: its specification, and the labels and annotations that others may read."""
    meta = resource["metadata"]
    return {**resource["spec"], **{kind: meta.get(kind) or {} for kind in ("labels", "annotations")}}


def _differences(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """A line for each value that is another; lists of what has a name are compared name by name."""
    before, after = _by_name(before), _by_name(after)
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        if before != after:
            yield f"{at}: {before} -> {after}"
        return
    for key in (*after, *(key for key in before if key not in after)):
        yield from _differences(before.get(key), after.get(key), f"{at}.{key}".lstrip("."))


def _by_name(value: Any) -> Any:
    named = isinstance(value, list) and value and all(isinstance(one, Mapping) and "name" in one for one in value)
    return {one["name"]: one for one in value} if named else value

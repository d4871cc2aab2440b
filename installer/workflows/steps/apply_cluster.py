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
            *_differences(clusters.document(cluster)["spec"], found["spec"]),
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


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """A line for each value that is another; what the API server filled in by itself does not count."""
    for key, value in wanted.items():
        where = f"{at}.{key}".lstrip(".")
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            yield from _differences(value, found[key], where)
        elif found.get(key) != value:
            yield f"{where}: {found.get(key)} -> {value}"

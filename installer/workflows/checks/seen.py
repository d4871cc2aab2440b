"""What is seen of a platform that serves, before it is changed: gathered once, side by side, for all checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration, ValidatingWebhookConfiguration
from lightkube.resources.core_v1 import Node, Pod
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.policy_v1 import PodDisruptionBudget

from installer.bundle.bundle import Bundle
from installer.bundle.release import Release
from installer.core.errors import BundleError, InstallerError
from installer.hostops.preflight import Checks, Machine
from installer.kubernetes import client
from installer.kubernetes.members import Member
from installer.transport.fleet import fan_out
from installer.workflows import clusters, datastores, deprecated, etcd_members, maintenance, runs, write_speed
from installer.workflows.cluster_info import ClusterInfo
from installer.workflows.datastores import DatastoreInfo
from installer.workflows.session import Session

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PlatformSeen:
    """Everything that checks of a platform may ask for; `unknown`: why a part of it could not be looked at."""

    machines: tuple[Machine, ...]
    target: Release  # of the specification
    digest: str  # of its bundle; empty: it is not on this machine
    bundle_faults: tuple[str, ...] = ()  # files of it that are missing here, or of another size
    members: Mapping[str, Member] = field(default_factory=dict)
    writes_ms: Mapping[str, float] = field(default_factory=dict)  # the slowest of a hundred, on each manager's disk
    snapshots: Mapping[str, datetime] = field(default_factory=dict)  # the newest on each manager that has one
    authorities: Mapping[str, str] = field(default_factory=dict)  # name -> PEM
    api_servers: Mapping[str, str] = field(default_factory=dict)  # URL -> why it is not ready; "": it is
    nodes: tuple[Any, ...] = ()  # of the manager
    pods: tuple[Any, ...] = ()
    budgets: tuple[Any, ...] = ()
    webhooks: tuple[Any, ...] = ()  # both kinds of configurations
    slices: tuple[Any, ...] = ()
    clusters: tuple[ClusterInfo, ...] = ()
    volumes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # host -> clusters with data there
    datastores: tuple[DatastoreInfo, ...] = ()
    deprecated: Mapping[str, tuple[deprecated.Used, ...]] = field(default_factory=dict)  # manager, or a cluster's name
    paused_by: str = ""
    closed: str = ""  # why nothing may be changed just now, by the specification's windows
    cut_off: tuple[str, ...] = ()  # steps that an earlier run was killed in
    unknown: Mapping[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


PLATFORM: Final[Checks[PlatformSeen]] = Checks()


def look(session: Session, machines: tuple[Machine, ...]) -> PlatformSeen:
    """Look at everything; what cannot be looked at is told as such, and never counts as well."""
    asked: dict[str, Callable[[], Any]] = {
        "members": lambda: etcd_members.settled(session),
        "writes_ms": lambda: write_speed.slowest_ms(session),
        "snapshots": lambda: write_speed.newest_snapshots(session),
        "api_servers": lambda: _api_servers(session),
        "nodes": lambda: _listed(session, Node, None),
        "pods": lambda: _listed(session, Pod, "*"),
        "budgets": lambda: _listed(session, PodDisruptionBudget, "*"),
        "slices": lambda: _listed(session, EndpointSlice, "*"),
        "webhooks": lambda: (
            *_listed(session, ValidatingWebhookConfiguration, None),
            *_listed(session, MutatingWebhookConfiguration, None),
        ),
        "clusters": lambda: clusters.list_(session),
        "volumes": lambda: clusters.hosts_with_volumes(session),
        "datastores": lambda: datastores.list_(session),
        "deprecated": lambda: deprecated.look(session),
    }
    found = fan_out(tuple(asked), lambda name: asked[name]())
    seen = {name: answer for name, answer in found.items() if not isinstance(answer, InstallerError)}
    unknown = {name: answer.what for name, answer in found.items() if isinstance(answer, InstallerError)}
    bundle = _bundle(session)
    return PlatformSeen(
        machines=machines,
        target=session.target,
        digest=bundle.digest if bundle else "",
        bundle_faults=bundle.lacking() if bundle else (),
        authorities={name: one.cert_pem for name, one in session.roots.authorities.items()},
        paused_by=runs.pause(session).by,
        closed=maintenance.closed(session) or "",
        cut_off=tuple(map(str, runs.half_done(session))),
        unknown=unknown,
        **seen,
    )


def _bundle(session: Session) -> Bundle | None:
    try:
        return session.bundle
    except BundleError:
        return None


def _listed(session: Session, kind: type[Any], namespace: str | None) -> tuple[Any, ...]:
    with client.translated(f"list {kind.__name__}"):
        return tuple(session.api.list(kind, namespace=namespace))


def _api_servers(session: Session) -> Mapping[str, str]:
    authority = session.roots.authorities["kubernetes"].trusted
    serving = [name for name in session.managers if session.may_serve(name)]  # others are about to join
    found = fan_out(serving, lambda name: client.not_ready(session.api_server(name), authority) or "")
    return {session.api_address(name): str(reason) for name, reason in found.items()}

"""Hosts that the specification no longer has: what keeps them here, and how they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightkube.resources.core_v1 import Node

from installer.core.clock import SystemClock, wait_until
from installer.core.errors import HostError
from installer.engine.events import Note, StepReport
from installer.hostops import remove
from installer.kubernetes import client
from installer.kubernetes.client import ApiUnavailableError, DatastoreResource
from installer.kubernetes.datastore import THREE, is_ours
from installer.spec.hosts import wanted_hosts
from installer.workflows import clusters, datastores, etcd_members, host_drain, manager_api
from installer.workflows.session import Session

_WELL_S: Final = 300  # until datastores have a member elsewhere in place of one that left
_WELL_EACH_S: Final = 30  # control planes learn of its members in turn, twice
_HINT: Final = "put the host back into the specification, or move that away first"


def is_known(session: Session, name: str) -> bool:
    """Whether a host that leaves is, or may be, a node of the manager or a member of its etcd still."""
    if not session.serving_managers:  # a first `up` that did not get that far
        return False
    host = session.leaving[name]
    try:
        return _is_node(session, name) or (host.role == "manager" and etcd_members.lists(session, name))
    except ApiUnavailableError:  # still starting, perhaps: whoever takes it out waits for it
        return True


def has_anything(session: Session, name: str) -> bool:
    """Whether a host that leaves has anything of ours on it, or a part in the platform."""
    manifest = session.facts(name).manifest
    return bool(manifest.units or manifest.files) or is_known(session, name)


def keeps(session: Session, name: str, *, gone: bool = False) -> Sequence[str]:
    """What is on a host that leaves and can be nowhere else, for people: clusters' volumes, datastores' members.

    `gone`: nothing can be moved away from it any more.
    """
    volumes = clusters.hosts_with_volumes(session).get(name, ())
    found = [f"volumes of cluster {cluster}, which would be lost" for cluster in volumes]
    regions = [host.region for host in wanted_hosts(session.platform) if host.role == "manager"]
    for store in _datastores(session):
        if name not in store.hosts:
            continue
        managers = sum(store.region in ("", region) for region in regions)
        if gone and len(store.hosts) < THREE:
            found.append(f"the only member of datastore {store.name}")
        elif not managers:
            away = f"move its clusters, then `kubectl delete datastore {store.name}` in the manager"
            found.append(f"a member of datastore {store.name} of region {store.region}, which gets no manager: {away}")
        elif managers < len(store.hosts) and not store.ours:
            few = "for which too few managers are left: give it `spec.members: 1` first"
            found.append(f"one of {len(store.hosts)} members of datastore {store.name}, {few}")
    return found


def leave(session: Session, name: str, report: StepReport) -> None:
    """Empty a host, take it out of etcd and the manager, and remove what Moorage installed; goes on where it was.

    Raises HostError for data that would be lost, WaitTimeoutError for pods that do not leave.
    """
    manager_api.await_api(session, report)
    if kept := keeps(session, name):
        raise HostError(f"cannot leave: it has {'; '.join(kept)}", host=name, hint=_HINT)
    if _is_node(session, name):
        report.progress("moving away what runs there")
        host_drain.empty(session, name, report)
        host_drain.leave(session, name)
        _await_datastores(session, name, report)
    _forget_member(session, name, report)
    report.progress("removing what was installed")
    remove.remove(session.connection(name))
    session.forget(name)
    _forget_node(session, name)  # the network to its pods ends with it


def forget(session: Session, name: str, report: StepReport) -> None:
    """Take a host that is gone out of etcd and the manager: what ran there comes up elsewhere."""
    manager_api.await_api(session, report)
    report.emit(Note(f"{name} cannot be reached: what Moorage installed there stays"))
    _forget_node(session, name)
    _forget_member(session, name, report)


def _forget_node(session: Session, name: str) -> None:
    if _is_node(session, name):
        with client.translated(f"delete node {name}"):
            session.api.delete(Node, name)


def _forget_member(session: Session, name: str, report: StepReport) -> None:
    if session.leaving[name].role == "manager":
        report.progress("taking it out of etcd")
        etcd_members.expel(session, name)


def _is_node(session: Session, name: str) -> bool:
    with client.translated("list nodes"):
        return any(client.name_of(node) == name for node in session.api.list(Node))


@dataclass(frozen=True)
class _Datastore:
    name: str
    hosts: Sequence[str]  # of its members
    ours: bool  # it gets fewer members by itself
    region: str  # that its members are to be in; empty: any


def _datastores(session: Session) -> Sequence[_Datastore]:
    with client.translated("list datastores"):
        found = [resource.to_dict() for resource in session.api.list(DatastoreResource)]
    return [_datastore(one) for one in found]


def _datastore(resource: Mapping[str, Any]) -> _Datastore:
    meta, region = resource["metadata"], (resource.get("spec") or {}).get("region") or ""
    return _Datastore(
        name=meta["name"],
        hosts=[member.get("host", "") for member in (resource.get("status") or {}).get("members") or ()],
        ours=is_ours(meta["name"], meta.get("labels"), region),
        region=region,
    )


def _await_datastores(session: Session, name: str, report: StepReport) -> None:
    """Return once all datastores have all their members elsewhere: the next host to leave may have another of them."""

    def unwell() -> str | None:
        there = next((store.name for store in _datastores(session) if name in store.hosts), None)
        ill = next((one for one in datastores.list_(session) if one.problem), None)
        reason = f"datastore {there} has a member there still" if there else None
        reason = f"datastore {ill.name}: {ill.problem}" if ill else reason
        if reason:
            queued = sum(one.queued for one in clusters.list_(session))
            report.waiting(f"{reason}; {queued} control planes are yet to learn of its members" if queued else reason)
        return reason

    wait_until(
        unwell,
        what="all datastores are well without it",
        timeout_s=_WELL_S + len(clusters.list_(session)) * _WELL_EACH_S,
        clock=SystemClock(),
        every_s=1,
        streak=2,
        hint="`moorage status`, then go on with `moorage up`",
    )

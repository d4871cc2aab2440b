"""Brings one datastore to what its resource says: lays its members out, replaces lost ones, keeps room in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightkube.resources.core_v1 import Service
from pydantic import ValidationError

from installer.controller.datastores import membership, upkeep
from installer.controller.datastores.etcdctl import Etcdctl, EtcdError, Member, Status
from installer.controller.datastores.members import Layout, MemberWatch, Pods
from installer.controller.datastores.membership import SeenMember
from installer.controller.datastores.status import AVAILABLE, MEMBERS, SPACE, Found, MemberFound, in_mib
from installer.controller.manager_api import Api
from installer.controller.status import Condition
from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import datastore, pki
from installer.kubernetes.datastore import Placement
from installer.kubernetes.settings import PlatformSettings
from installer.spec.datastore import Datastore, DatastoreSpec
from installer.spec.quantity import memory_bytes

# A learner that is behind by less than this many entries has caught up; etcd itself refuses one that has not.
_LAG: Final = 1000
log = logging.getLogger("moorage.controller")


class DatastoreNotReadyError(KubernetesError, RetryableError):
    """The datastore does not serve clusters, or not yet."""


@dataclass(frozen=True)
class Serving:
    """A datastore that answers."""

    servers: tuple[str, ...]
    authority: pki.CertificateAuthority
    etcdctl: Etcdctl


@dataclass(frozen=True)
class Look:
    """The end of a pass. `steady`: nothing is under way; `serving`: None while clusters cannot use it."""

    found: Found
    steady: bool
    serving: Serving | None = None


class DatastoreReconciler:
    """One datastore. What it remembers between passes is only since when members are away."""

    def __init__(self, name: str, api: Api, settings: PlatformSettings, folder: Path) -> None:
        self._name = name
        self._api = api
        self._settings = settings
        self._folder = folder  # for etcdctl's certificate
        self._watch = MemberWatch()
        self._lock = threading.Lock()
        self._deleted = False
        self._etcdctl: Etcdctl | None = None
        self._authority: pki.CertificateAuthority | None = None

    def reconcile(self, resource: Mapping[str, Any], used_by: Sequence[str]) -> Look:
        """One pass; raises KubernetesError when the manager's API or etcd does not do what it is asked."""
        with self._lock:
            if self._deleted:  # the last pass of a daemon may come late
                return _pending(Condition(AVAILABLE, False, "Deleted"), used_by)
            return self._reconcile(resource, used_by)

    def _reconcile(self, resource: Mapping[str, Any], used_by: Sequence[str]) -> Look:
        spec = parse(resource)
        if isinstance(spec, Condition):
            return _pending(spec, used_by, steady=True)
        before = resource.get("status") or {}
        names = datastore.member_names(self._name, spec.members)
        self._api.apply([datastore.namespace_document(), *(datastore.service(self._name, n) for n in names)])
        addresses = {name: self._address(name) for name in names}
        authority = self.authority(founded=bool(before.get("founded")))
        layout = Layout(
            self._name,
            self._api,
            self._settings,
            addresses=addresses,
            authority=authority,
            quota_bytes=memory_bytes(spec.quota),
        )
        layout.read(before)
        if not before.get("founded") and (unplaced := layout.found()):
            return _pending(Condition(AVAILABLE, False, "NoHost", unplaced), used_by, steady=True)
        look = _Pass(self._name, layout, self._etcdctl_of(addresses, authority), self._watch, spec)
        return look.run(used_by, founded=bool(before.get("founded")))

    def delete(self, resource: Mapping[str, Any]) -> None:
        """Take everything away, the data on hosts included. Raises KubernetesError to be called again."""
        spec = parse(resource)
        names = datastore.member_names(self._name, datastore.THREE if isinstance(spec, Condition) else spec.members)
        layout = Layout(self._name, self._api, self._settings, addresses=dict.fromkeys(names, ""))
        with self._lock:
            self._deleted = True
            layout.read(resource.get("status") or {})
            layout.remove_all()

    def authority(self, *, founded: bool) -> pki.CertificateAuthority:
        """The authority, made where the datastore never served; one that is gone is put back while it is known."""
        secret = datastore.authority_secret(self._name)
        entries = self._api.secret(secret, datastore.NAMESPACE)
        if not entries:
            if self._authority is None and founded:
                raise _authority_lost(self._name, "is gone")
            name = f"{self._settings.platform} datastore {self._name}"
            made = self._authority or pki.new_ca(name, days=self._settings.authority_days)
            entries = self._api.secret_once(datastore.authority_document(self._name, made))
        if not {"ca.crt", "ca.key"} <= entries.keys():
            raise _authority_lost(self._name, "does not hold what it must")
        found = pki.CertificateAuthority(
            entries["ca.crt"].reveal(), entries["ca.key"], days=self._settings.certificate_days
        )
        if self._authority not in (None, found):
            raise _authority_lost(self._name, "has another authority than before")
        self._authority = found
        return found

    def _address(self, member: str) -> str:
        service = self._api.get(Service, member, datastore.NAMESPACE)
        address = service.spec.clusterIP if service and service.spec else None
        if not address:
            raise DatastoreNotReadyError(f"the Service of datastore member {member} has no address yet")
        return address

    def _etcdctl_of(self, addresses: Mapping[str, str], authority: pki.CertificateAuthority) -> Etcdctl:
        if self._etcdctl is None or self._etcdctl.due:
            self._etcdctl = Etcdctl(list(addresses.values()), authority, self._folder)
        return self._etcdctl


class _Pass:
    """One look at what is laid out, and the one step that follows from it."""

    def __init__(self, name: str, layout: Layout, etcdctl: Etcdctl, watch: MemberWatch, spec: DatastoreSpec) -> None:
        self._name = name
        self._layout = layout
        self._etcdctl = etcdctl
        self._watch = watch
        self._spec = spec
        self._pods = Pods(layout.pods())
        self._statuses: dict[str, Status] = {}
        self._strangers: list[str] = []

    def run(self, used_by: Sequence[str], *, founded: bool) -> Look:
        if not founded and not all(self._pods.ready(name) for name in self._layout.addresses):
            why = self._why(tuple(self._layout.addresses)) or "its members start"
            return _pending(Condition(AVAILABLE, False, "Starting", why), used_by)
        seen = self._see()
        if not founded and all(member.answers for member in seen):
            self._etcdctl.run_all(datastore.guarding())
            founded = True
        available = self._available(seen, founded=founded)
        action = self._step(seen) if founded and available.reason != "DataLost" else membership.Wait("starting")
        space, tended = self._space(seen) if available.ok else (Condition(SPACE, True, "Unknown"), False)
        found = Found(
            available=available,
            members_ready=_members_ready(action, seen),
            space=space,
            members=tuple(self._member(member) for member in seen),
            used_by=tuple(used_by),
            founded=founded,
        )
        serving = Serving(self._etcdctl.servers, self._layout.authority_or_raise(), self._etcdctl)
        return Look(found, steady=action is None and not tended, serving=serving if available.ok else None)

    def _see(self) -> list[SeenMember]:
        """The members as etcd and the manager know them. Where etcd cannot be asked, none of them has an id."""
        layout, pods = self._layout, self._pods
        # One that is known not to listen would only be waited for.
        self._statuses = self._etcdctl.statuses([a for name, a in layout.addresses.items() if pods.ready(name)])
        known: dict[str, Member] | None
        try:
            known = {member.address: member for member in self._etcdctl.members()}
        except EtcdError as exc:
            log.warning("datastore %s: %s", self._name, exc.explain())
            known = None
        self._strangers = [m.id for address, m in (known or {}).items() if address not in layout.addresses.values()]
        last = max((status.index for status in self._statuses.values()), default=0)
        seen = []
        for name, address in layout.addresses.items():
            status, member = self._statuses.get(address), (known or {}).get(address)
            started = None if known is None else bool(member and member.name)
            placement = layout.keep(name, known=started is not False, started=started)
            answers = bool(status and status.leader and (member is None or member.id == status.id))
            away = self._watch.look(name, answers=answers, pod=pods.uid(name), restarts=pods.restarts(name))
            seen.append(
                SeenMember(
                    name=name,
                    host=placement.host if placement else layout.last_host(name),
                    joined=placement.joined if placement else "",
                    id=member.id if member else "",
                    learner=bool(member and member.learner),
                    answers=answers,
                    caught_up=status is not None and last - status.index < _LAG,
                    away_s=away.seconds,
                    crashes=away.crashes,
                    outdated=pods.outdated(name, layout.revision(name)),
                )
            )
        return seen

    def _available(self, seen: Sequence[SeenMember], *, founded: bool) -> Condition:
        if not founded:
            return Condition(AVAILABLE, False, "Starting", "its members look for each other")
        if not membership.quorate(seen):
            silent = [member.name for member in seen if not member.answers]
            message = f"{len(seen) - len(silent)} of {len(seen)} members answer, no majority: {self._why(silent)}"
            hint = f"`kubectl -n {datastore.NAMESPACE} get pods -o wide` in the manager"
            return Condition(AVAILABLE, False, "NoQuorum", f"{message}; {hint}")
        if not self._etcdctl.guarded():
            message = (
                "its members started with no data, what was in it is lost: "
                f"`kubectl delete datastore {self._name} --wait=false` in the manager, then delete its clusters"
            )
            return Condition(AVAILABLE, False, "DataLost", message)
        return Condition(AVAILABLE, True, "Serving")

    def _why(self, names: Sequence[str]) -> str:
        return "; ".join(f"{name}: {why}" for name in names if (why := self._pods.why(name)))

    def _step(self, seen: Sequence[SeenMember]) -> membership.Action | None:
        layout, etcdctl = self._layout, self._etcdctl
        if self._strangers:
            ids = ", ".join(self._strangers)
            return membership.Wait(f"etcd has members that are not of this datastore: `etcdctl member remove` {ids}")
        action = membership.decide(seen, layout.hosts, layout.load)
        if action is not None and not isinstance(action, membership.Wait):
            log.info("datastore %s: %s", self._name, action)
        match action:
            case membership.Remove(name, member_id):
                etcdctl.run_all([("member", "remove", member_id)])
                layout.take_away(name)
                self._watch.forget(name)
            case membership.Add(name, host):
                layout.lay_out(name, Placement(host, etcdctl.add_learner(name, layout.addresses[name])))
            case membership.Start(name, host, member_id):
                layout.take_away(name)
                layout.lay_out(name, Placement(host, member_id))
            case membership.Promote(_, member_id):
                etcdctl.run_all([("member", "promote", member_id)])
            case membership.Restart(name):
                layout.restart(name)
        return action

    def _space(self, seen: Sequence[SeenMember]) -> tuple[Condition, bool]:
        """Whether there is room, and whether something was done about it."""
        quota = memory_bytes(self._spec.quota)
        alarms = self._etcdctl.alarms() if any(status.troubled for status in self._statuses.values()) else ()
        full, done = "NOSPACE" in alarms, False
        # Disarming spares no alarm: where members differ, all is left as it is.
        well = len(self._statuses) == len(seen) and not any(member.learner for member in seen)
        if well and "CORRUPT" not in alarms:
            done = self._tend(upkeep.decide(self._spaces(), quota, full=full))
        if full and "CORRUPT" not in alarms:
            size = in_mib(max(status.size for status in self._statuses.values()))
            return Condition(SPACE, False, "Full", _full(self._name, size, self._spec.quota)), done
        if alarms:
            message = f"etcd says that its members differ ({', '.join(alarms)}): `etcdctl alarm list` names the one"
            return Condition(SPACE, False, "Corrupt", message), done
        return Condition(SPACE, True, "RoomLeft"), done

    def _spaces(self) -> list[upkeep.Space]:
        return [
            upkeep.Space(name=name, size=found.size, in_use=found.in_use, leader=found.leader == found.id)
            for name, address in self._layout.addresses.items()
            if (found := self._statuses[address])
        ]

    def _tend(self, action: upkeep.Action | None) -> bool:
        if action is not None:
            log.info("datastore %s: %s", self._name, action)
        match action:
            case upkeep.Defragment(name):
                self._etcdctl.defragment(self._layout.addresses[name])
            case upkeep.Compact():
                revision = max(status.revision for status in self._statuses.values())
                self._etcdctl.run_all([("compact", str(revision))])
            case upkeep.Disarm():
                self._etcdctl.run_all([("alarm", "disarm")])
        # Compacting may free nothing: then it is for the user to act, and no reason to hurry.
        return action is not None and not isinstance(action, upkeep.Compact)

    def _member(self, member: SeenMember) -> MemberFound:
        found = self._statuses.get(self._layout.addresses[member.name])
        return MemberFound(
            name=member.name,
            host=member.host,
            joined=member.joined,
            id=member.id,
            healthy=member.answers,
            leader=bool(found and found.leader == found.id),
            learner=member.learner,
            size=found.size if found else 0,
            message="" if member.answers else self._pods.why(member.name),
        )


def parse(resource: Mapping[str, Any]) -> DatastoreSpec | Condition:
    """What a resource asks for, or why it cannot be understood."""
    document = {"apiVersion": "moorage.dev/v1", "kind": "Datastore", "metadata": {"name": resource["metadata"]["name"]}}
    try:
        return Datastore.model_validate({**document, "spec": resource.get("spec") or {}}).spec
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors(include_input=False)]
        return Condition(AVAILABLE, False, "SpecRefused", "; ".join(sorted(faults)))


def _authority_lost(name: str, what: str) -> KubernetesError:
    secret = datastore.authority_secret(name)
    return KubernetesError(
        f"Secret {secret} in namespace {datastore.NAMESPACE} {what}",
        cause="it was deleted or changed by hand; another authority would shut out the members and the clusters, "
        "so none is made, and what runs is left as it is",
        hint="restore that Secret from a backup of the manager; then all goes on by itself",
    )


def _pending(condition: Condition, used_by: Sequence[str], *, steady: bool = False) -> Look:
    waiting = Condition(MEMBERS, False, condition.reason, condition.message)
    found = Found(
        available=condition, members_ready=waiting, space=Condition(SPACE, True, "Unknown"), used_by=tuple(used_by)
    )
    return Look(found, steady=steady)


def _members_ready(action: membership.Action | None, seen: Sequence[SeenMember]) -> Condition:
    match action:
        case None:
            return Condition(MEMBERS, True, "Ready", f"{len(seen)} of {len(seen)} members answer")
        case membership.Wait(reason):
            return Condition(MEMBERS, False, "Waiting", reason)
        case membership.Remove(_, _, reason):
            return Condition(MEMBERS, False, "Replacing", f"{reason}; it is replaced")
        case membership.Restart(name):
            return Condition(MEMBERS, False, "Restarting", f"member {name} takes its new settings")
        case _:
            return Condition(MEMBERS, False, "Replacing", f"member {action.name} is replaced")


def _full(name: str, size: str, quota: str) -> str:
    patch = f'kubectl patch datastore {name} --type=merge -p \'{{"spec":{{"quota":"LARGER"}}}}\''
    return (
        f"it is full ({size} of {quota}): its clusters can read and delete, not write; delete what is not needed in "
        f"them, e.g. `kubectl delete events -A --all`, or give it more: `{patch}` in the manager"
    )

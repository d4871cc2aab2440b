"""Brings one datastore to what its resource says: lays its members out, replaces lost ones, keeps room in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightkube.resources.core_v1 import Service
from pydantic import ValidationError

from installer.controller.datastores import membership
from installer.controller.datastores.etcdctl import Etcdctl, servers
from installer.controller.datastores.members import Layout, MemberWatch
from installer.controller.datastores.one_pass import DatastoreNotReadyError, Look, Pass, pending
from installer.controller.datastores.status import AVAILABLE
from installer.controller.manager_api import Api
from installer.controller.status import Condition
from installer.core.errors import KubernetesError
from installer.kubernetes import datastore, pki
from installer.kubernetes.client import ClusterResource, DatastoreResource
from installer.kubernetes.settings import PlatformSettings
from installer.spec.datastore import Datastore, DatastoreSpec
from installer.spec.quantity import memory_bytes

log = logging.getLogger("moorage.controller")


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
                return pending(Condition(AVAILABLE, False, "Deleted"), used_by)
            return self._reconcile(resource, used_by)

    def _reconcile(self, resource: Mapping[str, Any], used_by: Sequence[str]) -> Look:
        spec = parse(resource)
        if isinstance(spec, Condition):
            return pending(spec, used_by, steady=True)
        before = resource.get("status") or {}
        founded = bool(before.get("founded"))
        addresses = self._addresses(before, spec.members)
        authority = self.authority(founded=founded)
        layout = Layout(
            self._name,
            self._api,
            self._settings,
            addresses=addresses,
            authority=authority,
            quota_bytes=memory_bytes(spec.quota),
            region=spec.region,
        )
        layout.read(before)
        if not founded and (unplaced := layout.found()):
            return pending(Condition(AVAILABLE, False, "NoHost", unplaced), used_by, steady=True)
        if founded:
            spec = self._fitting(resource, spec, layout)
        served = tuple(name for name in before.get("servedBy") or addresses if name in addresses)
        etcdctl = self._etcdctl_of([addresses[name] for name in served], authority)
        this = Pass(
            name=self._name,
            api=self._api,
            layout=layout,
            etcdctl=etcdctl,
            watch=self._watch,
            spec=spec,
            served=served,
        )
        return this.run(used_by, founded=founded)

    def _addresses(self, before: Mapping[str, Any], count: int) -> dict[str, str]:
        """The members that there are, or are to be first, and the addresses of their Services."""
        first = () if before.get("founded") else datastore.member_names(self._name, count)
        names = dict.fromkeys((*first, *(entry["name"] for entry in before.get("members") or ())))
        self._api.apply([datastore.namespace_document(), *(datastore.service(self._name, name) for name in names)])
        services: list[Any] = self._api.list(Service, datastore.NAMESPACE, {datastore.LABEL: self._name})
        found = {one.metadata.name: one.spec.clusterIP for one in services}
        if missing := [name for name in {**names, **found} if not found.get(name)]:
            raise DatastoreNotReadyError(f"the Service of datastore member {missing[0]} has no address yet")
        return dict(sorted(found.items()))

    def _fitting(self, resource: Mapping[str, Any], spec: DatastoreSpec, layout: Layout) -> DatastoreSpec:
        """With as many members as fit the managers, where the datastore is of our own making."""
        labels = resource["metadata"].get("labels")
        if not datastore.is_ours(self._name, labels, spec.region):
            return spec
        owner = datastore.owner_of(labels)
        count = membership.fitting(spec.members, staying=len(layout.hosts), leaving=layout.leaving)
        if count == spec.members or (count > spec.members and owner and not self._spares_one(owner)):
            return spec
        log.info("datastore %s: %d members, since %d managers stay", self._name, count, len(layout.hosts))
        self._api.patch(DatastoreResource, self._name, None, {"spec": {"members": count}})
        return spec.model_copy(update={"members": count})

    def _spares_one(self, cluster: str) -> bool:
        """Whether the control plane of a cluster, which has the datastore to itself, may lose a replica."""
        found: Any = self._api.get(ClusterResource, cluster)
        return bool(found and ((found.spec or {}).get("controlPlane") or {}).get("replicas", 1) > 1)

    def delete(self, resource: Mapping[str, Any]) -> None:
        """Take everything away, the data on hosts included. Raises KubernetesError to be called again."""
        names = datastore.member_names(self._name, datastore.THREE)
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

    def _etcdctl_of(self, addresses: Sequence[str], authority: pki.CertificateAuthority) -> Etcdctl:
        if self._etcdctl is None or self._etcdctl.due or self._etcdctl.servers != servers(addresses):
            self._etcdctl = Etcdctl(addresses, authority, self._folder)
        return self._etcdctl


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

"""The shared datastore: made when the first cluster needs it; each cluster gets its user, role and prefix in it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import Node, Service

from installer.controller.manager_api import Api
from installer.core import layout
from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import datastore, etcd, host, pki
from installer.kubernetes.settings import PlatformSettings

_ETCDCTL: Final = f"{layout.CURRENT}/{layout.BIN}/etcdctl"
# etcd tells in words alone that something was there, or gone, already.
_DONE_BEFORE: Final = ("already exists", "not found", "already granted")
_RECHECK_S = 60.0


class DatastoreNotReadyError(KubernetesError, RetryableError):
    """The datastore does not answer yet."""


@dataclass(frozen=True)
class Found:
    """A datastore that answers."""

    servers: tuple[str, ...]
    authority: pki.CertificateAuthority


class Datastores:
    """Looks after the datastore; clusters that are made at once wait for each other here only while it is made."""

    def __init__(self, api: Api, settings: PlatformSettings, folder: Path) -> None:
        self._api = api
        self._settings = settings
        self._folder = folder  # for the client certificate, which etcdctl reads from files
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._checked = 0.0

    def shared(self) -> Found:
        """The shared datastore, made when it is missing; raises DatastoreNotReadyError while it starts."""
        with self._lock:
            if self._found is None or time.monotonic() - self._checked > _RECHECK_S:
                self._found = self._ensure(datastore.SHARED)
                self._checked = time.monotonic()
            return self._found

    def admit(self, tenant: datastore.Tenant) -> None:
        """Give a cluster its user, role and prefix."""
        self._etcdctl(self.shared(), datastore.tenants_role(tenant))

    def remove(self, tenant: datastore.Tenant) -> None:
        """Take a cluster's user, role and every key of it away."""
        if self._api.get(StatefulSet, f"{datastore.SHARED}-0", datastore.NAMESPACE) is not None:
            self._etcdctl(self.shared(), datastore.removal(tenant))

    def _ensure(self, name: str) -> Found:
        api, settings = self._api, self._settings
        api.apply([datastore.namespace_document()])
        authority = self._authority(name)
        members = datastore.member_names(name, settings)
        api.apply(datastore.service(name, member) for member in members)
        addresses = {member: self._address(member) for member in members}
        hosts = self._hosts(members)
        for member in members:
            api.apply(
                datastore.member_documents(
                    name,
                    member,
                    addresses=addresses,
                    host=hosts[member],
                    settings=settings,
                    authority=authority,
                    seen=api.secret(member, datastore.NAMESPACE),
                )
            )
        found = Found(tuple(f"https://{a}:{etcd.CLIENT_PORT}" for a in addresses.values()), authority)
        self._write_credential(authority)
        self._etcdctl(found, datastore.guarding())
        return found

    def _authority(self, name: str) -> pki.CertificateAuthority:
        entries = self._api.secret(datastore.authority_secret(name), datastore.NAMESPACE)
        if not entries:
            made = pki.new_ca(f"{self._settings.platform} datastore {name}")
            entries = self._api.secret_once(datastore.authority_document(name, made))
        return pki.CertificateAuthority(entries["ca.crt"].reveal(), entries["ca.key"])

    def _address(self, member: str) -> str:
        service = self._api.get(Service, member, datastore.NAMESPACE)
        address = service.spec.clusterIP if service and service.spec else None
        if not address:
            raise DatastoreNotReadyError(f"the Service of datastore member {member} has no address yet")
        return address

    def _hosts(self, members: Sequence[str]) -> dict[str, str]:
        """A host for each member: the one that has its data, or one that has no member yet."""
        placed: dict[str, str] = {}
        for member in members:
            found = self._api.get(StatefulSet, member, datastore.NAMESPACE)
            selector = (
                found.spec.template.spec.nodeSelector if found and found.spec and found.spec.template.spec else None
            )
            if selector:
                placed[member] = selector["kubernetes.io/hostname"]
        managers = self._api.list(Node, labels={host.ROLE_LABEL: "manager"})
        names = sorted(n.metadata.name for n in managers if n.metadata and n.metadata.name)
        free = [name for name in names if name not in placed.values()]
        for member in members:
            if member not in placed:
                if not free:
                    raise DatastoreNotReadyError(f"no manager host is free for datastore member {member}")
                placed[member] = free.pop(0)
        return placed

    def _write_credential(self, authority: pki.CertificateAuthority) -> None:
        credential = authority.issue(pki.Subject(datastore.ROOT_USER))
        texts = {
            "etcd-ca.crt": authority.cert_pem,
            "etcd.crt": credential.cert_pem,
            "etcd.key": credential.key_pem.reveal(),
        }
        for name, text in texts.items():
            path = self._folder / name
            path.touch(mode=0o600)
            path.write_text(text)

    def _etcdctl(self, found: Found, commands: Iterable[Sequence[str]]) -> None:
        """Run commands one after the other; what was done before is fine."""
        options = [
            f"--endpoints={','.join(found.servers)}",
            f"--cacert={self._folder / 'etcd-ca.crt'}",
            f"--cert={self._folder / 'etcd.crt'}",
            f"--key={self._folder / 'etcd.key'}",
            "--dial-timeout=2s",
            "--command-timeout=5s",
        ]
        for command in commands:
            done = subprocess.run(
                [_ETCDCTL, *options, *command], capture_output=True, text=True, timeout=30, check=False
            )
            if done.returncode and not any(words in done.stderr for words in _DONE_BEFORE):
                raise DatastoreNotReadyError(
                    f"etcdctl {' '.join(command[:2])} failed",
                    last_lines=done.stderr.strip().splitlines()[-3:],
                )

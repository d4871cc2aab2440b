"""The state of a stack in Pulumi's own file format, where its own backends keep it, with a journal beside it.

A checkpoint is written whole when an operation ends. In between, each step appends a line to the journal: what is
begun before it is done, what is done after it. Killed at any instant, checkpoint and journal together tell all.
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/core.go
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from installer.core.errors import InfrastructureError
from installer.provision import values
from installer.provision.embedded.passphrase import Crypter
from installer.provision.embedded.refusal import needs_cli
from installer.provision.embedded.store import Found, Store

VERSION = 3
_BOOKKEEPING: Final = ".pulumi"
_CREATING: Final = "creating"
_META: Final = f"{_BOOKKEEPING}/meta.yaml"
Resource = dict[str, Any]


@dataclass
class Snapshot:
    """Resources in the order in which they were made: a provider or dependency stands before its users."""

    resources: list[Resource] = field(default_factory=list)
    pending: dict[str, Resource] = field(default_factory=dict)  # urn -> resource whose creation was begun
    secrets: Mapping[str, Any] = field(default_factory=dict)  # whose key encrypts them: keys.py
    time: str = "0001-01-01T00:00:00Z"  # when it was written last

    def find(self, urn: str) -> Resource | None:
        """The live resource `urn`."""
        return next((r for r in self.resources if r["urn"] == urn and not r.get("delete")), None)

    def put(self, resource: Resource) -> None:
        """Add or replace the live resource of this urn, in its place."""
        self.pending.pop(resource["urn"], None)
        for index, known in enumerate(self.resources):
            if known["urn"] == resource["urn"] and not known.get("delete"):
                self.resources[index] = resource
                return
        self.resources.append(resource)

    def drop(self, urn: str, *, condemned: bool) -> None:
        """Remove the live resource `urn`, or the one that was condemned when it was replaced."""
        self.resources = [r for r in self.resources if r["urn"] != urn or bool(r.get("delete")) is not condemned]

    def condemn(self, urn: str) -> None:
        """Mark the live resource `urn` as replaced: to be deleted at the end."""
        if (found := self.find(urn)) is not None:
            found["delete"] = True


class StateFile:
    """One stack's checkpoint and journal in a backend's store."""

    def __init__(self, store: Store, project: str, stack: str) -> None:
        self._store = store
        self._key = f"{_BOOKKEEPING}/stacks/{project}/{stack}.json"
        # Beside the checkpoint on a disk. Objects stand apart: to Pulumi, what is in a folder of stacks is a stack.
        folder = f"{_BOOKKEEPING}/stacks" if store.directory else ".moorage/journals"
        self._journal = f"{folder}/{project}/{stack}.journal"
        self._name = f"organization/{project}/{stack}"
        self._lock = threading.Lock()
        self._checkpoint: Found | None = None  # as this run has read or written it
        self._begun = False  # the journal, by this run
        self.require_held: Callable[[], None] = lambda: None  # raises when another run has taken the stack over

    @property
    def exists(self) -> bool:
        return self._read() is not None

    @property
    def interrupted(self) -> bool:
        """Whether a run was killed before it could write its checkpoint."""
        return self._store.lines(self._journal) is not None

    def load(self) -> Snapshot:
        """The last checkpoint with the journal played over it; raises InfrastructureError when either is damaged."""
        found = self._checkpoint = self._read()
        if found is None:
            return Snapshot()
        snapshot = self._snapshot(found)
        for entry in self._entries(_digest(found.content)):
            _play(snapshot, entry)
        return snapshot

    def append(self, op: str, resource: Resource, crypter: Crypter) -> None:
        """Write one journal entry through: begin, put, condemn, drop or drop-condemned."""
        line = json.dumps({"op": op, "resource": sealed(resource, crypter)}).encode()
        with self._lock:
            self.require_held()
            if not self._begun and not self._store.lines(self._journal):
                checkpoint = self._checkpoint or self._read()
                over = _digest(checkpoint.content if checkpoint else b"")
                self._store.append(self._journal, json.dumps({"over": over}).encode())
            self._begun = True
            self._store.append(self._journal, line)

    def save(self, snapshot: Snapshot, crypter: Crypter, *, time: str = "") -> None:
        """Write a checkpoint, keep the one before it as a backup, and empty the journal.

        `time`: when what is in it came to be, if that is not now.
        """
        self.require_held()
        before = self._checkpoint or self._read()
        snapshot.time = time or now()
        checkpoint = {"stack": self._name, "latest": to_deployment(snapshot, crypter)}
        text = json.dumps({"version": VERSION, "checkpoint": checkpoint}, indent=2)
        if before is None:
            self._store.write(_META, b"version: 1\n")
        else:
            self._store.copy(self._key, self._backup)
        self._checkpoint = self._store.write(self._key, text.encode(), over=before, new=before is None)
        self._store.clear(self._journal)
        self._begun = False

    def put_backup_back(self) -> bool:
        """Where the checkpoint is damaged, replace it by the one before; returns whether it was."""
        found = self._read()
        if found is None or not self._damaged(found):
            return False
        backup = self._store.read(self._backup)
        if backup is None or self._damaged(backup):
            raise InfrastructureError(
                f"the state {self._store.where(self._key)} is damaged, and there is no whole backup of it",
                hint="`moorage state import FILE` takes a file of `moorage state export`",
            )
        self._store.copy(self._key, f"{self._key}.damaged")
        self._checkpoint = self._store.write(self._key, backup.content, over=found)
        return True

    def remove(self) -> None:
        """Forget the stack."""
        self._store.clear(self._journal)
        for key in (self._key, self._backup):
            self._store.remove(key)
        self._checkpoint = None

    @property
    def _backup(self) -> str:
        return f"{self._key}.bak"

    def _read(self) -> Found | None:
        found = self._store.read(self._key)
        if found is None and self._store.read(packed := f"{self._key}.gz") is not None:
            raise needs_cli(f"the state {self._store.where(packed)} is packed: PULUMI_SELF_MANAGED_STATE_GZIP was set")
        return found

    def _damaged(self, found: Found) -> bool:
        try:
            self._snapshot(found)
        except InfrastructureError:
            return True
        return False

    def _snapshot(self, found: Found) -> Snapshot:
        try:
            return from_deployment(json.loads(found.content)["checkpoint"].get("latest") or {})
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise InfrastructureError(
                f"the state {self._store.where(self._key)} is damaged",
                cause=f"{type(exc).__name__}: {exc}",
                hint=f"`moorage state import --backup` puts back the one before it, {self._store.where(self._backup)}",
            ) from exc

    def _entries(self, checkpoint: str) -> Iterator[dict[str, Any]]:
        """Of the journal over this checkpoint; one over another was left when its checkpoint had just been written."""
        try:
            entries = [json.loads(line) for line in self._store.lines(self._journal) or ()]
            if entries and entries[0]["over"] == checkpoint:
                yield from entries[1:]
        except (ValueError, KeyError, TypeError) as exc:
            raise InfrastructureError(
                f"the journal {self._store.where(self._journal)} is damaged",
                cause=f"{type(exc).__name__}: {exc}",
                hint="look at its last lines; without it, what the interrupted run made is found again by name",
            ) from exc


def now() -> str:
    """The time as Pulumi's manifests have it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _play(snapshot: Snapshot, entry: Mapping[str, Any]) -> None:
    resource = entry["resource"]
    match entry["op"]:
        case "begin":
            snapshot.pending[resource["urn"]] = resource
        case "put":
            snapshot.put(resource)
        case "condemn":
            snapshot.condemn(resource["urn"])
        case "drop":
            snapshot.drop(resource["urn"], condemned=False)
        case "drop-condemned":
            snapshot.drop(resource["urn"], condemned=True)


def from_deployment(deployment: Mapping[str, Any]) -> Snapshot:
    """A deployment as it is stored; its secrets stay encrypted until `opened`."""
    pending = {
        operation["resource"]["urn"]: operation["resource"]
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == _CREATING  # what was updated or deleted is among the resources still
    }
    secrets = deployment.get("secrets_providers") or {}
    found = Snapshot(resources=list(deployment.get("resources") or ()), pending=pending, secrets=secrets)
    found.time = (deployment.get("manifest") or {}).get("time") or found.time
    return found


def to_deployment(snapshot: Snapshot, crypter: Crypter) -> dict[str, Any]:
    """A deployment that `pulumi stack import` takes; every secret in it is encrypted."""
    return {
        "manifest": {"time": snapshot.time, "magic": "", "version": ""},
        "secrets_providers": crypter.provider,
        "resources": [sealed(resource, crypter) for resource in _ordered(snapshot.resources)],
        "pending_operations": [
            {"resource": sealed(resource, crypter), "type": _CREATING} for resource in snapshot.pending.values()
        ],
    }


def used_by(resource: Resource) -> Iterator[str]:
    """Urns of what a resource needs: dependencies, parent, provider."""
    yield from resource.get("dependencies") or ()
    if resource.get("parent"):
        yield resource["parent"]
    if resource.get("provider"):
        yield resource["provider"].rpartition("::")[0]


def _ordered(resources: list[Resource]) -> list[Resource]:
    """Providers and dependencies before their users; else the given order. A changed resource may use a newer one."""
    placed: list[Resource] = []
    done: set[int] = set()
    by_urn = {r["urn"]: r for r in resources}

    def place(resource: Resource) -> None:
        if id(resource) in done:
            return
        done.add(id(resource))
        for urn in used_by(resource):
            if urn in by_urn:
                place(by_urn[urn])
        placed.append(resource)

    for resource in resources:
        place(resource)
    return placed


def sealed(resource: Resource, crypter: Crypter) -> Resource:
    """The resource with every secret encrypted."""
    found = copy.copy(resource)
    for key in ("inputs", "outputs"):
        if key in found:
            found[key] = _seal(found[key], crypter)
    return found


def opened(resource: Resource, crypter: Crypter) -> Resource:
    """The resource with every secret decrypted, still marked."""
    found = copy.copy(resource)
    for key in ("inputs", "outputs"):
        found[key] = _open(found.get(key) or {}, crypter)
    return found


def _seal(value: Any, crypter: Crypter) -> Any:
    if values.is_secret(value):
        if "ciphertext" in value:
            return value
        sealed_value = values.as_secret("")
        del sealed_value["value"]
        return {**sealed_value, "ciphertext": crypter.encrypt(json.dumps(value["value"]))}
    if isinstance(value, dict):
        return {key: _seal(item, crypter) for key, item in value.items()}
    return [_seal(item, crypter) for item in value] if isinstance(value, list) else value


def _open(value: Any, crypter: Crypter) -> Any:
    if values.is_secret(value):
        return values.as_secret(json.loads(crypter.decrypt(value["ciphertext"]))) if "ciphertext" in value else value
    if isinstance(value, dict):
        return {key: _open(item, crypter) for key, item in value.items()}
    return [_open(item, crypter) for item in value] if isinstance(value, list) else value

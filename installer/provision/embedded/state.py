"""The state of a stack in Pulumi's own file format, where its file backend keeps it, with a journal beside it.

A checkpoint is written whole when an operation ends. In between, each step appends a line to the journal: what is
begun before it is done, what is done after it. Killed at any instant, checkpoint and journal together tell all.
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/core.go
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from installer.core.errors import InfrastructureError
from installer.provision import values
from installer.provision.embedded.passphrase import Crypter

VERSION = 3
Resource = dict[str, Any]


@dataclass
class Snapshot:
    """Resources in the order in which they were made: a provider or dependency stands before its users."""

    resources: list[Resource] = field(default_factory=list)
    pending: dict[str, Resource] = field(default_factory=dict)  # urn -> resource whose creation was begun
    salt: str = ""  # state of the secrets provider

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
    """One stack's checkpoint and journal below a file backend's directory."""

    def __init__(self, backend: Path, project: str, stack: str) -> None:
        self.path = backend / ".pulumi" / "stacks" / project / f"{stack}.json"
        self._journal = self.path.with_suffix(".journal")
        self._name = f"organization/{project}/{stack}"
        self._meta = backend / ".pulumi" / "meta.yaml"
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @property
    def interrupted(self) -> bool:
        """Whether a run was killed before it could write its checkpoint."""
        return self._journal.exists()

    def load(self) -> Snapshot:
        """The last checkpoint with the journal played over it; raises InfrastructureError when either is damaged."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return Snapshot()
        try:
            snapshot = from_deployment(json.loads(text)["checkpoint"].get("latest") or {})
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise InfrastructureError(
                f"the state {self.path} is damaged",
                cause=f"{type(exc).__name__}: {exc}",
                hint=f"restore it from {self._backup.name} beside it",
            ) from exc
        for entry in self._entries(_digest(text)):
            _play(snapshot, entry)
        return snapshot

    def append(self, op: str, resource: Resource, crypter: Crypter) -> None:
        """Write one journal entry through to the disk: begin, put, condemn, drop or drop-condemned."""
        line = json.dumps({"op": op, "resource": sealed(resource, crypter)}).encode() + b"\n"
        with self._lock:
            if not self._journal.exists():
                line = json.dumps({"over": _digest(self.path.read_bytes())}).encode() + b"\n" + line
            with self._journal.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def save(self, snapshot: Snapshot, crypter: Crypter) -> None:
        """Write a checkpoint, keep the one before it as a backup, and empty the journal."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._meta.write_text("version: 1\n")
        checkpoint = {"stack": self._name, "latest": to_deployment(snapshot, crypter)}
        new = self.path.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"version": VERSION, "checkpoint": checkpoint}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        if self.path.exists():  # a second name for it: at no instant is there no state
            self._backup.unlink(missing_ok=True)
            self._backup.hardlink_to(self.path)
        new.replace(self.path)
        self._journal.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the stack."""
        for path in (self.path, self._journal, self._backup):
            path.unlink(missing_ok=True)

    @property
    def _backup(self) -> Path:
        return self.path.with_name(self.path.name + ".bak")

    def _entries(self, checkpoint: str) -> Iterator[dict[str, Any]]:
        """Of the journal over this checkpoint; one over another was left when its checkpoint had just been written."""
        if not self._journal.exists():
            return
        # What follows the last line feed was cut off: it never counted.
        lines = self._journal.read_bytes().split(b"\n")[:-1]
        try:
            entries = [json.loads(line) for line in lines]
            if entries and entries[0]["over"] == checkpoint:
                yield from entries[1:]
        except (ValueError, KeyError, TypeError) as exc:
            raise InfrastructureError(
                f"the journal {self._journal} is damaged",
                cause=f"{type(exc).__name__}: {exc}",
                hint="look at its last lines; without it, what the interrupted run made is found again by name",
            ) from exc


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
    provider = deployment.get("secrets_providers") or {}
    pending = {o["resource"]["urn"]: o["resource"] for o in deployment.get("pending_operations") or ()}
    salt = (provider.get("state") or {}).get("salt", "")
    return Snapshot(resources=list(deployment.get("resources") or ()), pending=pending, salt=salt)


def to_deployment(snapshot: Snapshot, crypter: Crypter) -> dict[str, Any]:
    """A deployment that `pulumi stack import` takes; every secret in it is encrypted."""
    return {
        "manifest": {"time": "0001-01-01T00:00:00Z", "magic": "", "version": ""},
        "secrets_providers": {"type": "passphrase", "state": {"salt": crypter.state}},
        "resources": [sealed(resource, crypter) for resource in _ordered(snapshot.resources)],
        "pending_operations": [
            {"resource": sealed(resource, crypter), "type": "creating"} for resource in snapshot.pending.values()
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

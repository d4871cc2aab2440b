"""One operation on one stack: every resource that the program registers is compared with the state, then made so."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from pulumi.runtime.proto import provider_pb2_grpc

from installer.core.errors import InfrastructureError, InstallerError
from installer.provision import values
from installer.provision.embedded.goal import PROVIDER_PREFIX, STACK_TYPE, Goal
from installer.provision.embedded.passphrase import Crypter
from installer.provision.embedded.plugins import Plugins
from installer.provision.embedded.refusal import needs_cli
from installer.provision.embedded.state import Resource, Snapshot, StateFile, opened, used_by
from installer.provision.embedded.steps import ResourceCalls

T = TypeVar("T")

_AT_ONCE: Final = 32
# Providers that cannot find by its name what an interrupted operation began: nobody knows whether it came to be.
_FORGETFUL: Final = frozenset({"aws", "azure-native", "gcp"})


@dataclass(frozen=True)
class Happened:
    """Something about one resource.

    `op` is create, update, delete, same, refresh or replace; the parts of a replacement are create-replacement and
    delete-replaced.
    """

    op: str
    urn: str
    type: str
    phase: str  # pre, done or failed
    keys: tuple[str, ...] = ()
    error: str = ""


@dataclass
class Deployment:
    """The state in the middle of an operation. `dry_run`: nothing is done and nothing is written."""

    project: str
    stack: str
    snapshot: Snapshot
    file: StateFile
    crypter: Crypter
    plugins: Plugins
    config: Mapping[str, str]
    dry_run: bool
    emit: Callable[[Happened], None]
    warn: Callable[[str], None]
    seen: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # urn -> why
    outputs: dict[str, Any] = field(default_factory=dict)
    replacing: set[str] = field(default_factory=set)  # deleted with what they use, to come back
    announced: set[str] = field(default_factory=set)  # whose failure was told
    lock: threading.RLock = field(default_factory=threading.RLock)
    cancelled: bool = False

    # --- registration ---------------------------------------------------------------------------------------------

    def register(self, goal: Goal) -> Resource:
        """Bring one resource to its goal and return it; raises InfrastructureError, and then so do its dependents."""
        self._refuse_hopeless(goal)
        with self.lock:
            if goal.urn in self.seen:
                raise InfrastructureError(f"two resources are called {goal.name} ({goal.type})")
            self.seen.add(goal.urn)
        try:
            return self._custom(goal) if goal.custom else self._component(goal)
        except InstallerError as exc:
            with self.lock:
                self.failed[goal.urn] = exc.explain()
                op = "update" if self.snapshot.find(goal.urn) else "create"
            if goal.urn not in self.announced:
                self.emit(Happened(op, goal.urn, goal.type, "failed", error=exc.explain()))
            raise

    def register_outputs(self, urn: str, outputs: Mapping[str, Any]) -> None:
        """Outputs of a component; the stack's own are what the operation yields."""
        with self.lock:
            if urn.split("::")[2] == STACK_TYPE:
                self.outputs = dict(outputs)
            found = self.snapshot.find(urn)
            if found is not None and found["outputs"] != outputs:
                self._put({**found, "outputs": dict(outputs)})

    def _refuse_hopeless(self, goal: Goal) -> None:
        with self.lock:
            for urn in (*goal.dependencies, goal.parent):
                if urn in self.failed:
                    self.failed[goal.urn] = f"depends on {urn}"
                    raise InfrastructureError(f"{goal.name}: not tried, since {urn.rsplit('::', 1)[-1]} failed")
            if self.cancelled:
                raise InfrastructureError(f"{goal.name}: not tried, since the operation was stopped")

    def _component(self, goal: Goal) -> Resource:
        old = self._old(goal)
        resource = _resource(goal, dict(goal.inputs), {} if old is None else old["outputs"])
        op = "same" if old else "replace" if goal.urn in self.replacing else "create"
        self._step(op, goal, lambda: self._put(resource, instead_of=old), ())
        return resource

    def _custom(self, goal: Goal) -> Resource:
        if goal.is_provider:
            return self._provider(goal)
        old = self._old(goal)
        provider = goal.provider or self._default_provider(goal)
        calls = self._calls(goal.package, provider)
        if old is not None and goal.ignore_changes:
            goal = _with_ignored(goal, old)
        inputs = calls.check(goal, old)
        if old is None and goal.urn in self.replacing:
            return self._step("replace", goal, lambda: self._create(goal, calls, inputs, provider, successor=True), ())
        if old is None:
            return self._create(goal, calls, inputs, provider)
        difference = calls.diff(goal, old, inputs)
        if difference.replaces:
            keys, first = difference.replaces, difference.delete_first
            return self._step(
                "replace",
                goal,
                lambda: self._replace(goal, calls, inputs, provider, old=old, keys=keys, first=first),
                keys,
            )
        if difference.any:
            return self._update(goal, calls, inputs, provider, old=old, keys=difference.changed)
        resource = _resource(goal, inputs, old["outputs"], id_=old["id"], provider=provider)
        self._step("same", goal, lambda: self._put(resource, instead_of=old), ())
        return resource

    def _create(
        self,
        goal: Goal,
        calls: ResourceCalls,
        inputs: dict[str, Any],
        provider: str,
        *,
        successor: bool = False,
        instead_of: Resource | None = None,
    ) -> Resource:
        """Make it. `successor`: as part of a replacement; `instead_of`: of what is to be deleted at the end."""

        def act() -> Resource:
            if not self.dry_run:
                if goal.urn in self.snapshot.pending and goal.package in _FORGETFUL:
                    self.warn(_look_for(self.snapshot.pending[goal.urn]))
                # On the disk before anything happens: whatever is made from here on is found again.
                self._begin(_resource(goal, inputs, {}, provider=provider))
            id_, outputs = calls.create(goal, inputs, preview=self.dry_run)
            made = _resource(goal, inputs, outputs, id_=id_, provider=provider)
            if instead_of is not None and not self.dry_run:
                self._condemn(instead_of)
            self._put(made)
            return made

        return self._step("create-replacement" if successor else "create", goal, act, ())

    def _update(
        self,
        goal: Goal,
        calls: ResourceCalls,
        inputs: dict[str, Any],
        provider: str,
        *,
        old: Resource,
        keys: tuple[str, ...],
    ) -> Resource:
        def act() -> Resource:
            outputs = calls.update(goal, old, inputs, preview=self.dry_run)
            made = _resource(goal, inputs, outputs, id_=old["id"], provider=provider)
            self._put(made, instead_of=old)
            return made

        return self._step("update", goal, act, keys)

    def _replace(
        self,
        goal: Goal,
        calls: ResourceCalls,
        inputs: dict[str, Any],
        provider: str,
        *,
        old: Resource,
        keys: tuple[str, ...],
        first: bool,
    ) -> Resource:
        """Make its successor; the old one goes before that when both cannot be, with all that depends on it."""
        gone = [*self._users(old["urn"]), old] if first else [old]
        if held := [r for r in gone if r.get("protect")]:
            raise InfrastructureError(
                f"{_name(held[0])} is protected and would have to be replaced ({', '.join(keys)})"
            )
        if not first:
            return self._create(goal, calls, inputs, provider, successor=True, instead_of=old)
        with self.lock:
            self.replacing.update(r["urn"] for r in gone)
        if stuck := self.delete_all(gone, op="delete-replaced"):
            raise InfrastructureError(
                f"{goal.name} is not replaced, since {', '.join(map(_name, stuck))} could not be deleted",
                last_lines=[line for r in stuck for line in self.failed.get(r["urn"], "").splitlines()],
            )
        return self._create(goal, calls, inputs, provider, successor=True)

    def _provider(self, goal: Goal) -> Resource:
        old = self._old(goal)
        id_ = old["id"] if old else str(uuid.uuid4())
        resource = _resource(goal, dict(goal.inputs), dict(goal.inputs), id_=id_)
        self._step("same" if old else "create", goal, lambda: self._put(resource, instead_of=old), ())
        return resource

    def _default_provider(self, goal: Goal) -> str:
        name = f"default_{goal.version.replace('.', '_')}" if goal.version else "default"
        kind = f"{PROVIDER_PREFIX}{goal.package}"
        urn = f"urn:pulumi:{self.stack}::{self.project}::{kind}::{name}"
        with self.lock:
            self.seen.add(urn)
            found = self.snapshot.find(urn)
            if found is None:
                inputs = {**self._package_config(goal.package), **({"version": goal.version} if goal.version else {})}
                found = {
                    "urn": urn,
                    "custom": True,
                    "type": kind,
                    "id": str(uuid.uuid4()),
                    "inputs": inputs,
                    "outputs": inputs,
                }
                self._put(found)
        return f"{urn}::{found['id']}"

    # --- deletion -------------------------------------------------------------------------------------------------

    def delete_unseen(self) -> None:
        """Delete what the program no longer has, and what was replaced; users before what they use."""
        gone = [r for r in self.snapshot.resources if r.get("delete") or r["urn"] not in self.seen]
        self.delete_all([*gone, *(r for r in self._begun() if r["urn"] not in self.seen)])
        for urn in self.replacing - self.seen:  # gone already, with what they used
            kind = urn.split("::")[2].rpartition("$")[2]
            self.emit(Happened("delete", urn, kind, "pre"))
            self.emit(Happened("delete", urn, kind, "done"))

    def delete_everything(self) -> None:
        """Delete all resources, and what an interrupted operation had begun: its provider finds that by name."""
        self.delete_all([*self.snapshot.resources, *self._begun()])

    def delete_all(self, resources: Iterable[Resource], op: str = "delete") -> list[Resource]:
        """Delete these, side by side where it is allowed; returns those that stay because something went wrong.

        No user outlives what it uses: whatever a resource that stays needs, however far away, stays, too.
        """
        left = list(resources)
        stuck: list[Resource] = []
        kept: list[Resource] = []
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            while left:
                free = [r for r in left if not any(_uses(other, r) for other in left if other is not r)]
                free = free or left[-1:]
                for resource, error in zip(free, pool.map(lambda r: self._delete(r, op), free), strict=True):
                    left.remove(resource)
                    if error is not None:
                        stuck.append(resource)
                        self.failed[resource["urn"]] = error.explain()
                kept += [r for r in stuck if r not in kept]
                while held := [r for r in left if any(_uses(user, r) for user in kept)]:
                    kept += held
                    left = [r for r in left if r not in held]
        return stuck

    def _begun(self) -> list[Resource]:
        """What an interrupted operation began and nobody saw the end of, as if it were made."""
        with self.lock:
            begun = [r for r in self.snapshot.pending.values() if self.snapshot.find(r["urn"]) is None]
            for resource in begun:
                if _package(resource["type"]) in _FORGETFUL:
                    self.warn(_look_for(resource))
                    self.snapshot.pending.pop(resource["urn"])
            return [
                {**r, "id": r.get("id") or _name(r), "outputs": r["inputs"]}
                for r in begun
                if _package(r["type"]) not in _FORGETFUL
            ]

    def _delete(self, resource: Resource, op: str) -> InstallerError | None:
        urn, kind = resource["urn"], resource["type"]
        condemned = bool(resource.get("delete"))
        provider = kind.startswith(PROVIDER_PREFIX)
        op = "delete-replaced" if condemned else op

        def tell(phase: str, error: str = "") -> None:
            if not provider:
                self.emit(Happened(op, urn, kind, phase, error=error))

        try:
            if resource.get("protect"):
                raise InfrastructureError(f"{_name(resource)} is protected", hint="take `protect` off first")
            tell("pre")
            if not self.dry_run and resource["custom"] and not provider and not resource.get("retainOnDelete"):
                self._calls(_package(kind), resource.get("provider", "")).delete(opened(resource, self.crypter))
        except InstallerError as exc:
            tell("failed", exc.explain())
            return exc
        with self.lock:
            self._note("drop-condemned" if condemned else "drop", resource)
            self.snapshot.drop(urn, condemned=condemned)
            if not condemned:
                self.snapshot.pending.pop(urn, None)
        tell("done")
        return None

    # --- refresh --------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read every resource: what is gone leaves the state, what differs is noted."""
        custom = [r for r in self.snapshot.resources if r["custom"] and not r["type"].startswith(PROVIDER_PREFIX)]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for error in pool.map(self._read, custom):
                if error is not None:
                    raise error

    def _read(self, resource: Resource) -> InstallerError | None:
        try:
            known = opened(resource, self.crypter)
            found = self._calls(_package(resource["type"]), resource.get("provider", "")).read(known)
        except InstallerError as exc:
            return exc
        with self.lock:
            if found is None:
                self.emit(Happened("refresh", resource["urn"], resource["type"], "done", ("gone",)))
                condemned = bool(resource.get("delete"))
                self._note("drop-condemned" if condemned else "drop", resource)
                self.snapshot.drop(resource["urn"], condemned=condemned)
            elif found != known["outputs"]:
                self._put({**known, "outputs": found})
        return None

    # --- the state ------------------------------------------------------------------------------------------------

    def _old(self, goal: Goal) -> Resource | None:
        with self.lock:
            for urn in (goal.urn, *goal.aliases):
                if (found := self.snapshot.find(urn)) is not None:
                    return opened(found, self.crypter)
        return None

    def _put(self, resource: Resource, instead_of: Resource | None = None) -> None:
        """Note a resource as it now is; one known under another urn before is that same one."""
        with self.lock:
            renamed = instead_of is not None and instead_of["urn"] != resource["urn"]
            known = self.snapshot.find(resource["urn"])
            unchanged = known is not None and opened(known, self.crypter) == resource
            if not unchanged:
                self._note("put", resource)
                if renamed and instead_of is not None:
                    self._note("drop", instead_of)
            self.snapshot.put(resource)
            if renamed and instead_of is not None:
                self.snapshot.drop(instead_of["urn"], condemned=False)
                self.seen.add(instead_of["urn"])

    def _begin(self, resource: Resource) -> None:
        with self.lock:
            self._note("begin", resource)
            self.snapshot.pending[resource["urn"]] = resource

    def _condemn(self, resource: Resource) -> None:
        with self.lock:
            self._note("condemn", resource)
            self.snapshot.condemn(resource["urn"])

    def _note(self, op: str, resource: Resource) -> None:
        if not self.dry_run:
            self.file.append(op, resource, self.crypter)

    def _users(self, urn: str) -> list[Resource]:
        """Everything that depends on `urn`, however far away."""
        found: list[Resource] = []
        urns = {urn}
        with self.lock:
            for resource in self.snapshot.resources:  # users stand behind what they use
                if resource["urn"] != urn and any(used in urns for used in used_by(resource)):
                    urns.add(resource["urn"])
                    found.append(resource)
        return found

    def _calls(self, package: str, provider: str) -> ResourceCalls:
        """Calls to the provider behind a reference `<urn>::<id>`."""
        found = self.snapshot.find(provider.rpartition("::")[0]) if provider else None
        config = values.plain(opened(found, self.crypter)["inputs"]) if found else self._package_config(package)
        return ResourceCalls(self.plugins.client(package, config))

    def client_of(self, token: str, provider: str) -> provider_pb2_grpc.ResourceProviderStub:
        """The provider of a function `package:module:name`."""
        return self._calls(_package(token), provider).client

    def _package_config(self, package: str) -> dict[str, str]:
        prefix = f"{package}:"
        return {key.removeprefix(prefix): value for key, value in self.config.items() if key.startswith(prefix)}

    def _step(self, op: str, goal: Goal, act: Callable[[], T], keys: tuple[str, ...]) -> T:
        """Do it between two events; a failure is told once, by the innermost step."""
        self.emit(Happened(op, goal.urn, goal.type, "pre", keys))
        try:
            result = act()
        except InstallerError as exc:
            with self.lock:
                told = goal.urn in self.announced
                self.announced.add(goal.urn)
            self.emit(Happened(op, goal.urn, goal.type, "failed", keys, "" if told else exc.explain()))
            raise
        self.emit(Happened(op, goal.urn, goal.type, "done", keys))
        return result


def _resource(
    goal: Goal, inputs: Mapping[str, Any], outputs: Mapping[str, Any], *, id_: str = "", provider: str = ""
) -> Resource:
    resource: Resource = {
        "urn": goal.urn,
        "custom": goal.custom,
        "type": goal.type,
        "inputs": dict(inputs),
        "outputs": dict(outputs),
    }
    optional = {
        "id": id_,
        "parent": goal.parent,
        "provider": provider,
        "dependencies": list(goal.dependencies),
        "propertyDependencies": {key: list(urns) for key, urns in goal.property_dependencies.items() if urns},
        "protect": goal.protect,
        "retainOnDelete": goal.retain_on_delete,
        "additionalSecretOutputs": list(goal.additional_secret_outputs),
    }
    return resource | {key: value for key, value in optional.items() if value}


def _with_ignored(goal: Goal, old: Resource) -> Goal:
    """The goal with the old inputs wherever changes are to be ignored."""
    if "*" in goal.ignore_changes:
        return replace(goal, inputs=old["inputs"])
    if nested := [key for key in goal.ignore_changes if "." in key or "[" in key]:
        raise needs_cli(f"{goal.name}: the embedded engine ignores changes of whole inputs only, not of {nested[0]}")
    inputs = dict(goal.inputs)
    for key in goal.ignore_changes:
        if key in old["inputs"]:
            inputs[key] = old["inputs"][key]
        else:
            inputs.pop(key, None)
    return replace(goal, inputs=inputs)


def _name(resource: Resource) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def _package(kind: str) -> str:
    return kind.partition(":")[0]


def _look_for(resource: Resource) -> str:
    kind, inputs = str(resource["type"]).rpartition(":")[2], resource["inputs"]
    begun = f"{kind} {_name(resource)} was being made when a run was cut off"
    if name := inputs.get("name"):
        return f"{begun}: if {name} is there, delete it"
    tags = ", ".join(f"{key}={value}" for key, value in sorted((inputs.get("tags") or {}).items()))
    return f"{begun}: if there are two, delete one" + (f"; its tags are {tags}" if tags else "")


def _uses(user: Resource, used: Resource) -> bool:
    return used["urn"] in used_by(user)

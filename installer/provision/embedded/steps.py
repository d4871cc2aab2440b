"""Calls to a provider for one resource: check, diff, create, update, read, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from installer.core.errors import InfrastructureError
from installer.provision import values
from installer.provision.embedded.goal import Goal
from installer.provision.embedded.state import Resource

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """What a provider says of old and new inputs."""

    changed: tuple[str, ...]
    replaces: tuple[str, ...]
    delete_first: bool

    @property
    def any(self) -> bool:
        return bool(self.changed or self.replaces)


@dataclass(frozen=True)
class ResourceCalls:
    """One provider's client. Secrets go to it as plain values and are marked again in what comes back."""

    client: provider_pb2_grpc.ResourceProviderStub

    def check(self, goal: Goal, old: Resource | None) -> dict[str, Any]:
        """Inputs as the provider completes them; raises InfrastructureError with what it finds wrong."""
        olds = values.plain(old["inputs"]) if old else {}
        request = provider_pb2.CheckRequest(
            urn=goal.urn,
            name=goal.name,
            type=goal.type,
            olds=values.to_struct(olds),
            news=values.to_struct(values.plain(dict(goal.inputs))),
        )
        response = _call(goal.urn, "check", lambda: self.client.Check(request))
        if response.failures:
            wrong = [f"{f.property}: {f.reason}" if f.property else f.reason for f in response.failures]
            raise InfrastructureError(f"{goal.name}: its inputs are refused", last_lines=wrong)
        return _marked(values.from_struct(response.inputs), goal.inputs)

    def diff(self, goal: Goal, old: Resource, inputs: Data) -> Difference:
        """What differs, and whether that takes a new resource."""
        request = provider_pb2.DiffRequest(
            id=old["id"],
            urn=goal.urn,
            name=goal.name,
            type=goal.type,
            olds=values.to_struct(values.plain(old["outputs"])),
            old_inputs=values.to_struct(values.plain(old["inputs"])),
            news=values.to_struct(values.plain(dict(inputs))),
            ignoreChanges=goal.ignore_changes,
        )
        response = _call(goal.urn, "diff", lambda: self.client.Diff(request))
        old_inputs, new_inputs = values.plain(old["inputs"]), values.plain(dict(inputs))
        differing = tuple(sorted(k for k in {*old_inputs, *new_inputs} if old_inputs.get(k) != new_inputs.get(k)))
        match response.changes:
            case provider_pb2.DiffResponse.DIFF_NONE:
                changed: tuple[str, ...] = ()
            case provider_pb2.DiffResponse.DIFF_SOME:
                changed = tuple(response.diffs) or differing or ("(provider)",)
            case _:  # the provider does not know: inputs decide
                changed = differing
        forced = tuple(k for k in changed if k in goal.replace_on_changes or "*" in goal.replace_on_changes)
        replaces = tuple(dict.fromkeys((*response.replaces, *forced)))
        return Difference(changed, replaces, response.deleteBeforeReplace or goal.delete_before_replace)

    def create(self, goal: Goal, inputs: Data, *, preview: bool) -> tuple[str, dict[str, Any]]:
        """Id and outputs; in a preview what the provider can tell, and an empty id."""
        request = provider_pb2.CreateRequest(
            urn=goal.urn,
            name=goal.name,
            type=goal.type,
            properties=values.to_struct(values.plain(dict(inputs))),
            preview=preview,
            timeout=_seconds(goal.request.customTimeouts.create),
        )
        response = _call(goal.urn, "create", lambda: self.client.Create(request))
        return response.id, _outputs(goal, inputs, response.properties)

    def update(self, goal: Goal, old: Resource, inputs: Data, *, preview: bool) -> dict[str, Any]:
        """Outputs after the update."""
        request = provider_pb2.UpdateRequest(
            id=old["id"],
            urn=goal.urn,
            name=goal.name,
            type=goal.type,
            olds=values.to_struct(values.plain(old["outputs"])),
            old_inputs=values.to_struct(values.plain(old["inputs"])),
            news=values.to_struct(values.plain(dict(inputs))),
            ignoreChanges=goal.ignore_changes,
            preview=preview,
            timeout=_seconds(goal.request.customTimeouts.update),
        )
        response = _call(goal.urn, "update", lambda: self.client.Update(request))
        return _outputs(goal, inputs, response.properties)

    def read(self, resource: Resource) -> dict[str, Any] | None:
        """Its outputs as they are now; None when it is gone."""
        request = provider_pb2.ReadRequest(
            id=resource["id"],
            urn=resource["urn"],
            type=resource["type"],
            name=resource["urn"].rsplit("::", 1)[-1],
            properties=values.to_struct(values.plain(resource["outputs"])),
            inputs=values.to_struct(values.plain(resource["inputs"])),
        )
        response = _call(resource["urn"], "read", lambda: self.client.Read(request))
        if not response.id:
            return None
        return _marked(values.normal(values.from_struct(response.properties)), resource["outputs"])

    def delete(self, resource: Resource) -> None:
        """Delete it."""
        request = provider_pb2.DeleteRequest(
            id=resource["id"],
            urn=resource["urn"],
            type=resource["type"],
            name=resource["urn"].rsplit("::", 1)[-1],
            properties=values.to_struct(values.plain(resource["outputs"])),
            old_inputs=values.to_struct(values.plain(resource["inputs"])),
        )
        _call(resource["urn"], "delete", lambda: self.client.Delete(request))


def _outputs(goal: Goal, inputs: Data, properties: Any) -> dict[str, Any]:
    found = _marked(values.normal(values.from_struct(properties)), inputs)
    return {k: values.as_secret(v) if k in goal.additional_secret_outputs else v for k, v in found.items()}


def _marked(found: dict[str, Any], like: Data) -> dict[str, Any]:
    """`found` with a secret wherever `like` has one under the same top-level key."""
    return {k: values.as_secret(v) if values.has_secret(like.get(k)) else v for k, v in found.items()}


def _call(urn: str, act: str, call: Any) -> Any:
    try:
        return call()
    except grpc.RpcError as exc:
        name = urn.rsplit("::", 1)[-1]
        first, *rest = (exc.details() or str(exc.code())).splitlines()
        raise InfrastructureError(f"{act} {name}: {first.removeprefix(f'{name}: ')}", last_lines=rest) from exc


def _seconds(text: str) -> float:
    """A Go duration such as 1h30m as seconds; 0: none given."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for char in text:
        if char in units:
            total, number = total + float(number) * units[char], ""
        else:
            number += char
    return total

"""The provider's protocol: what it checks, when it replaces, what a preview does, and how errors come across."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from installer.core.errors import InfrastructureError
from installer.provision import values
from installer.provision.provider.resource import Made, Properties
from installer.provision.provider.server import RESOURCES, Provider

_URN = "urn:pulumi:dev::trial::test:index:Host::north"


@dataclass
class Recorded:
    """A resource that does nothing but note it."""

    required: frozenset[str] = frozenset({"name"})
    optional: frozenset[str] = frozenset({"size"})
    replaced_by: frozenset[str] = frozenset({"name"})
    secret_outputs: frozenset[str] = frozenset({"word"})
    only_looks: bool = False
    acts: list[str] = field(default_factory=list)

    def create(self, inputs: Properties) -> Made:
        self.acts.append("create")
        if inputs.get("size") == 13:
            raise InfrastructureError("podman run failed", last_lines=["no space"], hint="free some")
        return Made("id", {**inputs, "word": "hidden", "address": "192.0.2.1"})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return None

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        self.acts.append("update")
        return Made(id_, {**outputs, **inputs})

    def delete(self, id_: str, outputs: Properties) -> None:
        self.acts.append("delete")


@pytest.fixture
def resource() -> Recorded:
    return Recorded()


@pytest.fixture
def client(resource: Recorded) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A client of a provider with that one resource."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider("1.0", {"test:index:Host": resource}), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None).wait()


def _check(client: Any, **inputs: Any) -> list[tuple[str, str]]:
    answer = client.Check(provider_pb2.CheckRequest(urn=_URN, news=values.to_struct(inputs)))
    return [(failure.property, failure.reason) for failure in answer.failures]


def test_inputs_are_checked_by_name(client: Any) -> None:
    """Every one that is missing or that there is not, at once."""
    assert _check(client, name="north", size=1) == []
    assert _check(client, name="north") == []
    assert _check(client, colour="red", shape="round") == [
        ("colour", "there is no such input"),
        ("name", "this input is missing"),
        ("shape", "there is no such input"),
    ]


def _diff(client: Any, old: dict[str, Any], new: dict[str, Any]) -> Any:
    return client.Diff(provider_pb2.DiffRequest(urn=_URN, old_inputs=values.to_struct(old), news=values.to_struct(new)))


def test_some_inputs_change_in_place_and_some_do_not(client: Any) -> None:
    """Where a new resource is needed, the old one goes first: they have one name."""
    assert _diff(client, {"name": "a", "size": 1}, {"name": "a", "size": 1}).changes == 1
    grown = _diff(client, {"name": "a", "size": 1}, {"name": "a", "size": 2})
    assert (list(grown.diffs), list(grown.replaces), grown.deleteBeforeReplace) == (["size"], [], False)
    renamed = _diff(client, {"name": "a"}, {"name": "b", "size": 1})
    assert (list(renamed.diffs), list(renamed.replaces), renamed.deleteBeforeReplace) == (
        ["name", "size"],
        ["name"],
        True,
    )


def _create(client: Any, *, preview: bool = False, **inputs: Any) -> Any:
    request = provider_pb2.CreateRequest(urn=_URN, properties=values.to_struct(inputs), preview=preview)
    return client.Create(request)


def test_secret_outputs_are_marked(client: Any) -> None:
    """Others are not."""
    outputs = values.from_struct(_create(client, name="north").properties)
    assert outputs == {"name": "north", "address": "192.0.2.1", "word": values.as_secret("hidden")}


def test_a_preview_makes_nothing(client: Any, resource: Recorded) -> None:
    """It says the inputs, and what is known from before."""
    assert values.from_struct(_create(client, preview=True, name="north").properties) == {"name": "north"}
    updated = client.Update(
        provider_pb2.UpdateRequest(
            urn=_URN,
            olds=values.to_struct({"name": "north", "size": 1, "address": "192.0.2.1"}),
            news=values.to_struct({"name": "north", "size": 2}),
            preview=True,
        )
    )
    assert values.from_struct(updated.properties) == {"name": "north", "size": 2, "address": "192.0.2.1"}
    assert resource.acts == []


def test_what_only_looks_is_done_in_a_preview_too(client: Any, resource: Recorded) -> None:
    """Unless something that it needs is not known yet."""
    resource.only_looks = True
    assert _create(client, preview=True, name="north").id == "id"
    assert resource.acts == ["create"]
    assert _create(client, preview=True, name=values.UNKNOWN).id == ""
    assert resource.acts == ["create"]


def test_an_error_comes_across_in_full_with_the_hosts_name(client: Any) -> None:
    """What, where, the last lines and what to do next."""
    with pytest.raises(grpc.RpcError) as caught:
        _create(client, name="north", size=13)
    assert caught.value.details() == "north: podman run failed\n  | no space\n  next: free some"  # type: ignore[attr-defined]


def test_a_resource_that_is_gone_has_no_id(client: Any) -> None:
    """That is how the protocol says it."""
    assert client.Read(provider_pb2.ReadRequest(urn=_URN, id="id")).id == ""


def test_an_unknown_type_is_named(client: Any) -> None:
    """Rather than guessed at."""
    with pytest.raises(grpc.RpcError) as caught:
        client.Check(provider_pb2.CheckRequest(urn="urn:pulumi:dev::trial::test:index:Ghost::x"))
    assert caught.value.details() == "the provider moorage has no resource test:index:Ghost"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_every_resource_knows_its_inputs(kind: str) -> None:
    """What replaces it is an input, and no input is both required and optional."""
    resource = RESOURCES[kind]
    assert resource.replaced_by <= resource.required | resource.optional
    assert not resource.required & resource.optional


def test_a_host_key_is_made_once_and_its_private_half_is_hidden() -> None:
    """It is the key that hosts show: whoever has the state can read it, and nobody else."""
    key = RESOURCES["moorage:ssh:HostKey"]
    made = key.create({"name": "manager-1"})
    assert key.secret_outputs == {"privateKey"}
    assert str(made.outputs["publicKey"]).startswith("ssh-ed25519 ")
    assert "PRIVATE KEY" in str(made.outputs["privateKey"])
    assert key.read(made.id, made.outputs) == made

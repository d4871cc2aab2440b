"""The provider protocol over gRPC, as Pulumi's engine and the embedded one speak it.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, Final, TypeVar

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from installer.core.errors import InstallerError
from installer.provision.provider.host_key import HostKey
from installer.provision.provider.local import LocalHost, LocalNetwork
from installer.provision.provider.onprem import OnPremHost
from installer.provision.provider.resource import Made, Resource
from installer.provision.provider.secrets import PlatformSecrets
from installer.provision.values import from_struct, has_unknown, to_struct

T = TypeVar("T")

RESOURCES: Final[Mapping[str, Resource]] = {
    "moorage:platform:Secrets": PlatformSecrets(),
    "moorage:ssh:HostKey": HostKey(),
    "moorage:local:Network": LocalNetwork(),
    "moorage:local:Host": LocalHost(),
    "moorage:onprem:Host": OnPremHost(),
}
_AT_ONCE = 64


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `resources` by type; their errors reach the user as they are."""

    def __init__(self, version: str, resources: Mapping[str, Resource] = RESOURCES) -> None:
        self._version = version
        self._resources = resources

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.GetSchemaResponse(schema='{"name": "moorage"}')

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, given = self._resource(request, context), set(from_struct(request.news))
        wrong = {
            **dict.fromkeys(given - resource.required - resource.optional, "there is no such input"),
            **dict.fromkeys(resource.required - given, "this input is missing"),
        }
        failures = [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in sorted(wrong.items())]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request, context)
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        replaces = [key for key in keys if key in resource.replaced_by]
        some = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
        # A host and its successor have one name: the old one goes first.
        return provider_pb2.DiffResponse(
            changes=some, diffs=keys, replaces=replaces, deleteBeforeReplace=bool(replaces)
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, inputs = self._resource(request, context), from_struct(request.properties)
        if request.preview and not (resource.only_looks and not has_unknown(inputs)):
            return provider_pb2.CreateResponse(properties=request.properties)
        made = _told(request, context, lambda: resource.create(inputs))
        return provider_pb2.CreateResponse(id=made.id, properties=_outputs(resource, made))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request, context)
        made = _told(request, context, lambda: resource.read(request.id, from_struct(request.properties)))
        if made is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=made.id, properties=_outputs(resource, made), inputs=request.inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource, inputs = self._resource(request, context), from_struct(request.news)
        if request.preview and not (resource.only_looks and not has_unknown(inputs)):
            known = {**from_struct(request.olds), **inputs}
            return provider_pb2.UpdateResponse(properties=to_struct(known, secret=resource.secret_outputs))
        made = _told(request, context, lambda: resource.update(request.id, from_struct(request.olds), inputs))
        return provider_pb2.UpdateResponse(properties=_outputs(resource, made))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        resource = self._resource(request, context)
        _told(request, context, lambda: resource.delete(request.id, from_struct(request.properties)))
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def _resource(self, request: Any, context: grpc.ServicerContext) -> Resource:
        kind = request.type or request.urn.split("::")[2].rsplit("$", 1)[-1]
        if kind not in self._resources:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the provider moorage has no resource {kind}")
        return self._resources[kind]


def _outputs(resource: Resource, made: Made) -> struct_pb2.Struct:
    return to_struct(made.outputs, secret=resource.secret_outputs)


def _told(request: Any, context: grpc.ServicerContext, act: Callable[[], T]) -> T:
    """Do it; what goes wrong reaches the engine in words, with the host's name."""
    _, _, kind, name = request.urn.split("::", 3)
    try:
        return act()
    except InstallerError as exc:
        exc.with_place(host=name if kind.endswith(":Host") else "")
        context.abort(grpc.StatusCode.UNKNOWN, exc.explain())
        raise  # abort does not return


def serve(version: str) -> None:
    """Serve on a free port of loopback, print it, and end when standard input is closed: with the engine."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_AT_ONCE), options=[("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(version), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended = threading.Event()
    threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    ended.wait()
    server.stop(grace=None)


def _await_end_of_input(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    ended.set()

"""A strict provider of one resource, `fake:index:Thing`, in this process; engines find it by PULUMI_DEBUG_PROVIDERS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from installer.provision.values import UNKNOWN, from_struct, has_secret, to_struct

TYPE = "fake:index:Thing"
_REPLACED_BY = frozenset({"kind"})  # the old one goes first
_REPLACED_AFTER = frozenset({"shape"})  # the old one goes last
_KNOWN = {"colour", "kind", "shape", "uses", "hidden", "fail", "list", "flag", "number"}


@dataclass
class FakeProvider(provider_pb2_grpc.ResourceProviderServicer):  # type: ignore[misc]  # generated
    """Things are known by their resource's name: creating one that exists finds it, as our own provider does.

    `calls` are (method, name) in the order in which they came; previews are `preview-create` and `preview-update`. A
    Thing whose input `fail` names a method fails in it. `hold` makes creates wait until it is set, `together` until so
    many of them are there.
    """

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    made: int = 0  # how many really came to be
    wrong: list[str] = field(default_factory=list)  # what an engine must never do
    hold: threading.Event | None = None
    together: threading.Barrier | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    configured: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self, method: str) -> list[str]:
        """Of whom `method` was asked."""
        return [name for called, name in self.calls if called == method]

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        news = from_struct(request.news)
        failures = []
        if news.get("region") == "nowhere":
            failures.append(provider_pb2.CheckFailure(property="region", reason="there is no such region"))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.configured = from_struct(request.args)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        news = self._noted("check", request, request.news)
        unknown = sorted(set(news) - _KNOWN)
        failures = [provider_pb2.CheckFailure(property=key, reason="there is no such input") for key in unknown]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        news = self._noted("diff", request, request.news)
        old = from_struct(request.old_inputs)
        keys = sorted(key for key in {*old, *news} if old.get(key) != news.get(key))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=keys,
            replaces=[key for key in keys if key in _REPLACED_BY | _REPLACED_AFTER],
            deleteBeforeReplace=any(key in _REPLACED_BY for key in keys),
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        inputs = self._noted("preview-create" if request.preview else "create", request, request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        self._act("create", request, inputs, context)
        self.begun.set()
        if self.together is not None:
            self.together.wait(timeout=60)
        if self.hold is not None:
            self.hold.wait(timeout=60)
        with self.lock:
            id_ = f"{request.name}-{inputs.get('shape', 'plain')}"
            if id_ not in self.things:
                self.made += 1
                self.things[id_] = {**inputs, "serial": self.made}
            return provider_pb2.CreateResponse(id=id_, properties=to_struct(self.things[id_]))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._noted("read", request, request.properties)
        found = self.things.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(found), inputs=request.inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        inputs = self._noted("preview-update" if request.preview else "update", request, request.news)
        if request.preview:
            serial = from_struct(request.olds)["serial"]
            return provider_pb2.UpdateResponse(properties=to_struct({**inputs, "serial": serial}))
        self._act("update", request, inputs, context)
        with self.lock:
            self.things[request.id] = {**inputs, "serial": self._existing(request.id, context)["serial"]}
            return provider_pb2.UpdateResponse(properties=to_struct(self.things[request.id]))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        old = self._noted("delete", request, request.old_inputs)
        self._act("delete", request, old, context)
        with self.lock:
            # One whose creation nobody saw the end of comes with its name for an id.
            id_ = f"{request.name}-{old.get('shape', 'plain')}" if request.id == request.name else request.id
            gone = self.things.pop(id_, {"serial": 0})
            users = [
                id_ for id_, thing in self.things.items() if thing.get("uses") == f"{request.name} {gone['serial']}"
            ]
            if users:
                self.wrong.append(f"{request.name} is deleted before {users}")
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def _noted(self, method: str, request: Any, struct: Any) -> dict[str, Any]:
        data = from_struct(struct)
        with self.lock:
            self.calls.append((method, request.name))
            if request.type != TYPE:
                self.wrong.append(f"{method} of a {request.type}")
            if has_secret(data):
                self.wrong.append(f"{method} {request.name}: a marked secret, and none were accepted")
            if method in {"create", "update"} and UNKNOWN in str(data):
                self.wrong.append(f"{method} {request.name}: something is not known")
        return data

    def _act(self, method: str, request: Any, inputs: dict[str, Any], context: grpc.ServicerContext) -> None:
        if method in str(inputs.get("fail", "")).split():
            context.abort(grpc.StatusCode.UNKNOWN, f"{request.name} cannot be had\nthe stars are wrong")

    def _existing(self, id_: str, context: grpc.ServicerContext) -> dict[str, Any]:
        if id_ not in self.things:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {id_}")
        return self.things[id_]


@contextmanager
def served(provider: FakeProvider) -> Iterator[int]:
    """Serve it on a free port of loopback; yields the port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=[("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()

"""A fake cloud as a provider of Pulumi's: it serves the unmodified SDK, on either engine.

Engines find it by PULUMI_DEBUG_PROVIDERS. What the SDK's own types do not have is refused, and so is what the API would
refuse; what an engine must never do is noted in `wrong`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from installer.provision.values import UNKNOWN, from_struct, has_secret, has_unknown, to_struct
from tests.fakes.cloud import sdk
from tests.fakes.cloud.account import RESERVED, Account
from tests.fakes.cloud.cloud import RefusedError

T = TypeVar("T")

_OURS = ("objects", RESERVED)  # what is noted of things and no SDK knows of


@dataclass
class FakeCloud(provider_pb2_grpc.ResourceProviderServicer):  # type: ignore[misc]  # generated
    """One account behind the provider protocol. `planned`: inputs of everything that was asked for, by urn."""

    account: Account
    wrong: list[str] = field(default_factory=list)
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    configured: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Load the SDK's types before many threads ask for them: half of a module may be seen while it is loaded."""
        for kind in self.account.cloud.kinds:
            sdk.outputs(kind)

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self.account.cloud.version)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        failures = [
            _failure(*fault) for fault in sdk.provider_faults(self.account.cloud.package, from_struct(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.configured = from_struct(request.args)
        try:
            self.account.cloud.configure(self.account, self.configured)
        except RefusedError as exc:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, exc.text)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        args = from_struct(request.args)
        found = self._told(context, request.tok, lambda: self.account.cloud.invoke(self.account, request.tok, args))
        return provider_pb2.InvokeResponse(**{"return": to_struct(found)})

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind = self._kind(request, context)
        news, olds = from_struct(request.news), from_struct(request.olds)
        failures = [_failure(*fault) for fault in sdk.faults(kind, news)]
        key = self.account.cloud.kinds[kind].named
        if key and key not in news:
            news[key] = olds.get(key) or self.account.cloud.auto_name(kind, _name(request), news)
        self.planned[request.urn] = {"type": kind, **news}
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        about = self.account.cloud.kinds[self._kind(request, context)]
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=keys,
            replaces=[key for key in keys if key in about.replaced_by],
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind, inputs = self._kind(request, context), from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(self.account.cloud.previewed(kind, inputs)))
        self._must_be_known("create", request.urn, inputs)
        name = _name(request)
        id_, data = self._told(context, name, lambda: self.account.create(kind, name, inputs), f"creating {kind}")
        return provider_pb2.CreateResponse(id=id_, properties=self._outputs(kind, data))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind = self._kind(request, context)
        found = self.account.read(kind, request.id)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=self._outputs(kind, found), inputs=request.inputs)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind, inputs, name = self._kind(request, context), from_struct(request.news), _name(request)
        if request.preview:
            outputs = {**from_struct(request.olds), **self.account.cloud.previewed(kind, inputs)}
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))
        self._must_be_known("update", request.urn, inputs)
        data = self._told(
            context, name, lambda: self.account.update(kind, request.id, name, inputs), f"updating {kind}"
        )
        return provider_pb2.UpdateResponse(properties=self._outputs(kind, data))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        kind, name = self._kind(request, context), _name(request)
        self._told(
            context, name, lambda: self.account.delete(kind, request.id, name), f"deleting {kind} ({request.id})"
        )
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def _kind(self, request: Any, context: grpc.ServicerContext) -> str:
        kind = str(request.type or request.urn.split("::")[2].rsplit("$", 1)[-1])
        if kind not in self.account.cloud.kinds:
            self.wrong.append(f"asked for a {kind}")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"this fake has no {kind}")
        return kind

    def _must_be_known(self, method: str, urn: str, inputs: dict[str, Any]) -> None:
        if has_unknown(inputs) or UNKNOWN in json.dumps(inputs):
            self.wrong.append(f"{method} {urn}: something is not known")
        if has_secret(inputs):
            self.wrong.append(f"{method} {urn}: a marked secret, and none were accepted")

    def _outputs(self, kind: str, data: dict[str, Any]) -> Any:
        """What the SDK has for outputs; not all that went in comes out again."""
        known = sdk.outputs(kind)
        unknown = {key for key in data.keys() - known - {"id", *_OURS} if not sdk.takes(kind, key)}
        if unknown:
            self.wrong.append(f"{kind} has no output {sorted(unknown)}")
        return to_struct({key: value for key, value in data.items() if key in known})

    def _told(self, context: grpc.ServicerContext, name: str, act: Callable[[], T], doing: str = "") -> T:
        try:
            return act()
        except RefusedError as exc:
            told = self.account.cloud.told(exc)
            context.abort(grpc.StatusCode.UNKNOWN, f"{name}: {doing + ': ' if doing else ''}{told}")
            raise  # abort does not return


def _failure(key: str, reason: str) -> Any:
    return provider_pb2.CheckFailure(property=key, reason=reason)


def _name(request: Any) -> str:
    return str(request.urn).rpartition("::")[2]

"""What the running program talks to: the resource monitor and the engine's log, served over gRPC on loopback.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/resource.proto
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from installer.core.errors import InstallerError
from installer.provision import values
from installer.provision.embedded import goal
from installer.provision.embedded.deployment import Deployment
from installer.provision.embedded.engine_log import EngineLog
from installer.provision.embedded.refusal import needs_cli
from installer.provision.embedded.state import Resource

# What is not in this list makes the SDK refuse a program that needs it, in its own words.
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)
_AT_ONCE = 256  # requests; each waits for its provider


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Registers what the program asks for with a deployment. Everything else is refused by gRPC as unimplemented."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._idle = threading.Condition()
        self._running = 0
        self._admitting = threading.Event()

    def admit(self) -> None:
        """From now on resources are registered; a program that is quicker waits."""
        self._admitting.set()

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's names
        return resource_pb2.DeploymentInfo(
            project=self._deployment.project,
            stack=self._deployment.stack,
            dryRun=self._deployment.dry_run,
            supportedFeatures=_FEATURES,
        )

    def SupportsFeature(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        known = {"secrets", "resourceReferences", "outputValues", "aliasSpecs"}
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in known)

    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._counted():
            self._admitting.wait()
            deployment = self._deployment
            wanted = goal.read(request, stack=deployment.stack, project=deployment.project)
            try:
                resource = _registered(deployment, wanted)
            except InstallerError as exc:
                context.abort(grpc.StatusCode.UNKNOWN, exc.explain())
                raise  # abort does not return
        shown = resource["outputs"] if wanted.custom and not wanted.is_provider else resource["inputs"]
        if deployment.dry_run:
            shown = {**resource["inputs"], **shown}
        return resource_pb2.RegisterResourceResponse(
            urn=resource["urn"], id=resource.get("id", ""), object=values.to_struct(shown)
        )

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with self._counted():
            outputs = values.normal(values.from_struct(request.outputs))
            self._deployment.register_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        try:
            client = self._deployment.client_of(request.tok, request.provider)
            sent = provider_pb2.InvokeRequest(
                tok=request.tok, args=values.to_struct(values.plain(values.from_struct(request.args)))
            )
            answer = client.Invoke(sent)
        except InstallerError as exc:
            self._refuse_call(request.tok, exc.explain(), context)
        except grpc.RpcError as exc:
            self._refuse_call(request.tok, f"{request.tok}: {exc.details()}", context)
        failures = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in answer.failures]
        return resource_pb2.ResourceInvokeResponse(**{"return": getattr(answer, "return")}, failures=failures)

    def _refuse_call(self, token: str, why: str, context: grpc.ServicerContext) -> NoReturn:
        """The operation says so, too: the program's own end is a traceback."""
        self._deployment.failed[token] = why
        context.abort(grpc.StatusCode.UNKNOWN, why)
        raise AssertionError("abort does not return")

    def ReadResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._refuse("read resources that it did not make, or other stacks", context)

    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._refuse("call methods of resources", context)

    def RegisterPackage(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._refuse("use parameterized packages", context)

    def _refuse(self, what: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, needs_cli(f"the embedded engine does not {what}").explain())

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def settle(self) -> None:
        """Wait until no request is being worked on: a program that failed does not wait for its other resources."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()


def _registered(deployment: Deployment, wanted: goal.Goal) -> Resource:
    if wanted.request.remote:
        raise needs_cli(f"{wanted.name}: the embedded engine does not know remote components")
    if wanted.request.importId:
        raise needs_cli(f"{wanted.name}: the embedded engine does not import existing resources")
    return deployment.register(wanted)


@contextmanager
def served(monitor: Monitor, log: EngineLog) -> Iterator[str]:
    """Serve both on a free port of loopback; yields the address."""
    options = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_AT_ONCE), options=options)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(log, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        monitor.settle()
        server.stop(grace=None)

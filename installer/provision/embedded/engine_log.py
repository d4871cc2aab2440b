"""The engine's log, served over gRPC on loopback: what programs and providers say to the user comes by it.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/engine.proto
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_SEVERITIES: Final = {engine_pb2.INFO: "info", engine_pb2.WARNING: "warning", engine_pb2.ERROR: "error"}

OnMessage = Callable[[str, str, str], None]  # severity, text, urn


class EngineLog(engine_pb2_grpc.EngineServicer):
    """Takes the program's log messages; those for debugging are dropped."""

    def __init__(self, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._root = ""

    def Log(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if request.severity in _SEVERITIES:
            self._on_message(_SEVERITIES[request.severity], request.message, request.urn)
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return engine_pb2.RequirePulumiVersionResponse()


def serve(log: EngineLog) -> tuple[grpc.Server, str]:
    """Serve it alone, for those who are not told of a monitor; returns the server and its address."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    engine_pb2_grpc.add_EngineServicer_to_server(log, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"

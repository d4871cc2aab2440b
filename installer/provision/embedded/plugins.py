"""Provider processes: started when a resource of theirs first comes, configured, ended with the operation."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from installer.core.errors import InfrastructureError
from installer.provision import values
from installer.provision.embedded import child, installed
from installer.provision.embedded.engine_log import EngineLog, OnMessage, serve

_OPTIONS: Final = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_COMMANDS: Final = {
    "moorage": ("-u", "-m", "installer.provision.provider"),
    "pulumi-python": ("-u", "-m", "pulumi.dynamic"),
}
_START_TIMEOUT_S = 30


class Plugins:
    """Clients of providers by package name. `PULUMI_DEBUG_PROVIDERS` (name:port, ...) attaches to running ones.

    `on_message`: hears what those say that are programs of Pulumi's.
    """

    def __init__(self, directory: Path, project: str, on_message: OnMessage) -> None:
        self._directory = directory
        self._project = project
        self._lock = threading.Lock()
        self._clients: dict[str, provider_pb2_grpc.ResourceProviderStub] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._channels: list[grpc.Channel] = []
        self._on_message = on_message
        self._log: tuple[grpc.Server, str] | None = None

    def client(self, package: str, config: Mapping[str, Any]) -> provider_pb2_grpc.ResourceProviderStub:
        """The configured client of a package; raises InfrastructureError for one this engine cannot start."""
        with self._lock:
            if package not in self._clients:
                self._clients[package] = self._start(package, config)
            return self._clients[package]

    def close(self) -> None:
        """End all processes."""
        for channel in self._channels:
            channel.close()
        for process in self._processes:
            if process.args[0] != sys.executable:  # type: ignore[index]  # programs of Pulumi's watch no standard input
                process.terminate()
            child.stop(process)
        if self._log is not None:
            self._log[0].stop(grace=None)

    def _start(self, package: str, config: Mapping[str, Any]) -> provider_pb2_grpc.ResourceProviderStub:
        port = self._attached().get(package) or self._spawn(package)
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
        self._channels.append(channel)
        client = provider_pb2_grpc.ResourceProviderStub(channel)
        try:
            _configure(client, package, values.to_struct(config))
        except grpc.RpcError as exc:
            lines = (exc.details() or str(exc.code())).splitlines()
            raise InfrastructureError(f"the provider {package} cannot be configured", last_lines=lines) from exc
        return client

    def _attached(self) -> dict[str, str]:
        pairs = [entry.split(":") for entry in os.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(",") if ":" in entry]
        return {name.strip(): port.strip() for name, port in pairs}

    def _spawn(self, package: str) -> str:
        process = child.start(self._argv(package), cwd=self._directory, env={"PULUMI_PROJECT": self._project})
        self._processes.append(process)
        line = process.stdout.readline().decode().strip() if process.stdout else ""
        if not line.isdigit():
            error = process.stderr.read().decode() if process.stderr else ""
            raise InfrastructureError(f"the provider {package} does not start", last_lines=error.splitlines()[-8:])
        # What it prints from here on would fill the pipes.
        for pipe in (process.stdout, process.stderr):
            threading.Thread(target=_drain, args=(pipe,), daemon=True).start()
        return line

    def _argv(self, package: str) -> list[str]:
        if package in _COMMANDS:
            return [sys.executable, *_COMMANDS[package]]
        if (program := installed.find(package)) is None:
            raise InfrastructureError(
                f"the provider {package} is not installed",
                cause="it is a program of Pulumi's, which comes with neither Moorage nor its SDK",
                hint=f"`pulumi plugin install resource {package}`, or put pulumi-resource-{package} on PATH: "
                f"https://github.com/pulumi/pulumi-{package}/releases",
            )
        self._log = self._log or serve(EngineLog(self._on_message))
        return [str(program), self._log[1]]


def _configure(client: provider_pb2_grpc.ResourceProviderStub, package: str, settings: Any) -> None:
    if package != "pulumi-python":  # which has nothing to check
        checked = client.CheckConfig(provider_pb2.CheckRequest(news=settings))
        if checked.failures:
            wrong = [f"{f.property}: {f.reason}" if f.property else f.reason for f in checked.failures]
            raise InfrastructureError(f"the provider {package} refuses its settings", last_lines=wrong)
        settings = checked.inputs
    client.Configure(provider_pb2.ConfigureRequest(args=settings, acceptSecrets=True, acceptResources=True))


def _drain(pipe: Any) -> None:
    try:
        while pipe.read(65536):
            continue
    except ValueError:
        return  # closed with the process

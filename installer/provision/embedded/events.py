"""Engine events in Pulumi's JSON form, sent to whoever listens at `--event-log tcp://HOST:PORT`.

https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
from pulumi.runtime.proto import events_pb2, events_pb2_grpc

from installer.provision.embedded.deployment import Happened

_COUNTED = {"create", "update", "replace", "delete", "same"}


class EventLog:
    """Sends events in order; `close` returns when the last has arrived. Without an address it only counts."""

    def __init__(self, address: str | None) -> None:
        self.changes: Counter[str] = Counter()
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._sequence = 0
        self._sender: threading.Thread | None = None
        if address:
            self._sender = threading.Thread(target=self._send, args=(address.removeprefix("tcp://"),), daemon=True)
            self._sender.start()

    def happened(self, event: Happened) -> None:
        """Something about a resource."""
        metadata = {
            "op": event.op,
            "urn": event.urn,
            "type": event.type,
            "provider": "",
            "keys": list(event.keys) if event.op == "replace" else [],
            "diffs": list(event.keys),
        }
        match event.phase:
            case "pre":
                self._put({"resourcePreEvent": {"metadata": metadata}})
            case "done":
                self.changes[event.op] += event.op in _COUNTED
                self._put({"resOutputsEvent": {"metadata": metadata}})
            case _:
                self._put({"resOpFailedEvent": {"metadata": metadata, "status": 1, "steps": 1}})
                if event.error:
                    self.message("error", event.error, event.urn)

    def message(self, severity: str, text: str, urn: str) -> None:
        """A diagnostic."""
        self._put({"diagnosticEvent": {"message": text, "color": "never", "severity": severity, "urn": urn}})

    def close(self, seconds: float) -> None:
        """The summary, and the end."""
        self._put(
            {
                "summaryEvent": {
                    "maybeCorrupt": False,
                    "durationSeconds": int(seconds),
                    "resourceChanges": dict(self.changes),
                    "PolicyPacks": {},
                }
            }
        )
        self._queue.put(None)
        if self._sender:
            self._sender.join()

    def _put(self, event: dict[str, Any]) -> None:
        self._sequence += 1
        self._queue.put({"sequence": self._sequence, "timestamp": int(time.time()), **event})

    def _requests(self) -> Iterator[Any]:
        while (event := self._queue.get()) is not None:
            yield events_pb2.EventRequest(event=json.dumps(event))

    def _send(self, address: str) -> None:
        with grpc.insecure_channel(address) as channel, suppress(grpc.RpcError):  # who listened has gone
            events_pb2_grpc.EventsStub(channel).StreamEvents(self._requests())

"""Kinds of Kubernetes objects, made ready before several threads read answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

import msgspec
from lightkube.core import decoders

# All groups of which we read, apply or create something.
_GROUPS: Final = (
    "admissionregistration_v1",
    "apiextensions_v1",
    "apiregistration_v1",
    "apps_v1",
    "certificates_v1",
    "coordination_v1",
    "core_v1",
    "discovery_v1",
    "flowcontrol_apiserver_v1",
    "policy_v1",
    "rbac_authorization_v1",
    "storage_v1",
)
_lock = threading.Lock()
_ready: set[str] = set()


def make_ready() -> None:
    """Return once every kind can be read by several threads at a time; takes 0.1 s, the first time.

    msgspec 0.22.0 works out how a type is read when that is first wanted, without a lock: two threads that want it at
    once end the process with a segmentation fault. The controller, whose passes run side by side, died of that as it
    started, several times in a row.
    """
    with _lock:
        for group in set(_GROUPS) - _ready:
            for kind in _kinds(group):
                with suppress(msgspec.ValidationError):  # an empty object lacks what it must have
                    msgspec.convert({}, kind)
                decoders.decode_list(b'{"items": []}', kind)
            _ready.add(group)
        decoders.decode_status(b"{}")
        decoders.decode_watch_event(b'{"type": "", "object": {}}')


def _kinds(group: str) -> Iterator[type[Any]]:
    module = import_module(f"lightkube.resources.{group}")
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == module.__name__:
            yield found

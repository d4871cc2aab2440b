"""The outputs of a stack, read from a backend as they lie there: whichever engine wrote them, and without one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from installer.core.secret import Secret
from installer.provision import values
from installer.provision.embedded import keys, store
from installer.provision.embedded.state import StateFile, opened

_STACK_TYPE: Final = "pulumi:pulumi:Stack"


def read(backend: str, *, project: str, stack: str, passphrase: Secret) -> Mapping[str, Any] | None:
    """What the stack exported when it last ran, secrets as `Secret`; None when it never ran."""
    snapshot = StateFile(store.opened(backend), project, stack).load()
    root = next((r for r in snapshot.resources if r["type"] == _STACK_TYPE), None)
    if root is None or not root.get("outputs"):
        return None
    found = opened(root, keys.load(snapshot.secrets, passphrase))["outputs"]
    return {key: _output(value) for key, value in found.items()}


def _output(value: Any) -> Any:
    plain = values.plain(value)
    if not values.has_secret(value):
        return plain
    return Secret(plain if isinstance(plain, str) else json.dumps(plain))

"""`moorage:onprem:Host`: a host that exists already, verified over SSH and pinned."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from installer.core.secret import Secret
from installer.hostops import facts, remove
from installer.provision.provider.resource import GONE, Made, Properties
from installer.spec.contract import BastionOutput
from installer.transport.connection import connect, scan_host_key
from installer.transport.errors import HostKeyChangedError, UnreachableError
from installer.transport.proxy import Proxy
from installer.transport.target import Target, through

_FINGERPRINT: Final = "SHA256:"


@dataclass(frozen=True)
class OnPremHost:
    """Inputs: `name`, `address`, `port`, `user`, `hostKey`, `key`, `sudoPassword`, `bastion`, `proxy`.

    Outputs: `hostKey` (the whole key), `machineId`, `arch`, `os`. Deleting it removes what Moorage installed.
    """

    required: frozenset[str] = frozenset({"name", "address", "port", "user"})
    optional: frozenset[str] = frozenset({"hostKey", "key", "sudoPassword", "bastion", "proxy"})
    replaced_by: frozenset[str] = frozenset({"address"})
    secret_outputs: frozenset[str] = frozenset({"key", "sudoPassword", "proxy"})
    only_looks: bool = True

    def create(self, inputs: Properties) -> Made:
        return self._seen(inputs)

    def read(self, id_: str, outputs: Properties) -> Made | None:
        """As it was recorded: it is nobody's to be made anew, and a host that is down must not stop a preview."""
        return Made(id_, outputs)

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        return self._seen(inputs)

    def delete(self, id_: str, outputs: Properties) -> None:
        """Raises UnreachableError, but for a host that is known to be gone: that one is let go as it is."""
        gone = str(outputs["name"]) in os.environ.get(GONE, "").split(",")
        with suppress(*([UnreachableError] if gone else [])), connect(_target(outputs)) as connection:
            remove.remove(connection)

    def _seen(self, inputs: Properties) -> Made:
        target = _target(inputs)
        with connect(target) as connection:
            seen = facts.gather(connection)
        outputs = {
            **inputs,
            "hostKey": _whole_key(target),
            "machineId": seen.machine_id,
            "arch": seen.arch,
            "os": seen.os_name,
        }
        return Made(f"{inputs['name']}-{seen.machine_id[:8]}", outputs)


def _whole_key(target: Target) -> str:
    """The key that the pin of `target` is for: `ssh-ed25519 AAAA...`; raises HostKeyChangedError."""
    pin = str(target.host_key)
    if not pin.startswith(_FINGERPRINT):
        return " ".join(pin.split()[:2])  # without a comment
    shown = scan_host_key(target)
    digest = hashlib.sha256(base64.b64decode(shown.split()[1])).digest()
    seen = _FINGERPRINT + base64.b64encode(digest).decode().rstrip("=")
    if seen != pin:
        raise HostKeyChangedError(f"its host key was {pin} a moment ago and is {seen} now", host=target.name)
    return shown


def _target(properties: Properties) -> Target:
    key, password, proxy = map(properties.get, ("key", "sudoPassword", "proxy"))
    secret = Secret(key) if key else None
    first = Proxy.parse(Secret(proxy)) if proxy else None
    given = properties.get("bastion")
    bastion = through(given and BastionOutput.model_validate(given), of=properties["name"], key=secret, proxy=first)
    return Target(
        name=properties["name"],
        address=properties["address"],
        port=int(properties["port"]),
        user=properties["user"],
        host_key=properties.get("hostKey"),
        key=secret,
        sudo_password=Secret(password) if password else None,
        bastion=bastion,
        proxy=None if bastion else first,
    )

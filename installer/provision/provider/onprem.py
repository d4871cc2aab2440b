"""`moorage:onprem:Host`: a host that exists already, verified over SSH and pinned."""

from __future__ import annotations

from dataclasses import dataclass

from installer.core.secret import Secret
from installer.hostops import facts, remove
from installer.provision.provider.resource import Made, Properties
from installer.transport.connection import connect, scan_host_key
from installer.transport.target import Target


@dataclass(frozen=True)
class OnPremHost:
    """Inputs: `name`, `address`, `port`, `user`, `hostKey`, `key`, `sudoPassword`, `bastion`.

    Outputs: `hostKey` (the whole key), `machineId`, `arch`, `os`. Deleting it removes what Moorage installed.
    """

    required: frozenset[str] = frozenset({"name", "address", "port", "user"})
    optional: frozenset[str] = frozenset({"hostKey", "key", "sudoPassword", "bastion"})
    replaced_by: frozenset[str] = frozenset({"address"})
    secret_outputs: frozenset[str] = frozenset({"key", "sudoPassword"})

    def create(self, inputs: Properties) -> Made:
        return self._seen(inputs)

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return self._seen(outputs)

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        return self._seen(inputs)

    def delete(self, id_: str, outputs: Properties) -> None:
        with connect(_target(outputs)) as connection:
            remove.remove(connection)

    def _seen(self, inputs: Properties) -> Made:
        target = _target(inputs)
        with connect(target) as connection:
            seen = facts.gather(connection)
        pinned = scan_host_key(target)
        outputs = {**inputs, "hostKey": pinned, "machineId": seen.machine_id, "arch": seen.arch, "os": seen.os_name}
        return Made(f"{inputs['name']}-{seen.machine_id[:8]}", outputs)


def _target(properties: Properties) -> Target:
    key, password, bastion = properties.get("key"), properties.get("sudoPassword"), properties.get("bastion")
    return Target(
        name=properties["name"],
        address=properties["address"],
        port=int(properties["port"]),
        user=properties["user"],
        host_key=properties.get("hostKey"),
        key=Secret(key) if key else None,
        sudo_password=Secret(password) if password else None,
        bastion=_target({**bastion, "name": f"bastion of {properties['name']}", "key": key}) if bastion else None,
    )

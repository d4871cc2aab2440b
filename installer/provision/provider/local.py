"""`moorage:local:Network` and `moorage:local:Host`: hosts on this machine."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from installer.core import cache
from installer.provision.local import kernel, machine, network, rootfs
from installer.provision.provider.resource import Made, Properties
from installer.provision.provider.secrets import new_ssh_key, public_key_of

_FIRST_HOST = 10  # addresses below are the network's own
_ADDRESSES = threading.Lock()  # of one platform only one provider runs at a time


@dataclass(frozen=True)
class LocalNetwork:
    """Inputs: `platform`. Outputs: `name`, `range`."""

    required: frozenset[str] = frozenset({"platform"})
    optional: frozenset[str] = frozenset()
    replaced_by: frozenset[str] = frozenset({"platform"})
    secret_outputs: frozenset[str] = frozenset()
    only_looks: bool = False

    def create(self, inputs: Properties) -> Made:
        name = f"moorage-{inputs['platform']}"
        with kernel.held():
            kernel.raise_limits()
            found = network.create(name, inputs["platform"])
        return Made(name, {**inputs, "name": name, "range": str(found)})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        found = network.find(id_)
        return None if found is None else Made(id_, {**outputs, "range": str(found)})

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        return Made(id_, {**outputs, **inputs})

    def delete(self, id_: str, outputs: Properties) -> None:
        with kernel.held():
            network.delete(f"moorage-{outputs['platform']}")
            if not network.any_left():
                kernel.restore()


@dataclass(frozen=True)
class LocalHost:
    """Inputs: `platform`, `name`, `network`, `range`, `routes`, `publicKey`, `cpu`, `memory`.

    Outputs: `address`, `hostKey` (public). A host that is down counts as gone: creating it starts it, data and all. One
    that was made for another key, other routes or another range is not the one wanted: it is made anew.
    """

    required: frozenset[str] = frozenset({"platform", "name", "network", "range", "publicKey"})
    optional: frozenset[str] = frozenset({"routes", "cpu", "memory"})
    replaced_by: frozenset[str] = frozenset({"platform", "name", "network", "range", "routes", "publicKey"})
    secret_outputs: frozenset[str] = frozenset()
    only_looks: bool = False

    def create(self, inputs: Properties) -> Made:
        container = f"moorage-{inputs['platform']}-{inputs['name']}"
        folder = _folder(inputs)
        with kernel.held():
            kernel.raise_limits()  # a network outlives a restart of this machine, its kernel's limits do not
        within, routes, public_key = IPv4Network(inputs["range"]), inputs.get("routes") or [], inputs["publicKey"]
        if address := machine.restart(container, folder, within=within, routes=routes, public_key=public_key):
            machine.limit(container, cpu=inputs.get("cpu"), memory=inputs.get("memory"))
            return Made(container, {**inputs, "address": address, "hostKey": public_key_of(folder / "host_key")})
        address = _reserve(folder, within)
        private, public = new_ssh_key()
        machine.create(
            machine.Machine(
                container=container,
                hostname=inputs["name"],
                network=inputs["network"],
                address=address,
                folder=folder,
                rootfs=rootfs.ensure(cache.root()),
                routes=routes,
                public_key=public_key,
                host_key=private.reveal(),
                cpu=inputs.get("cpu"),
                memory=inputs.get("memory"),
            )
        )
        return Made(container, {**inputs, "address": address, "hostKey": public})

    def read(self, id_: str, outputs: Properties) -> Made | None:
        return Made(id_, outputs) if machine.running(id_) else None

    def update(self, id_: str, outputs: Properties, inputs: Properties) -> Made:
        machine.limit(id_, cpu=inputs.get("cpu"), memory=inputs.get("memory"))
        return Made(id_, {**outputs, "cpu": None, "memory": None, **inputs})

    def delete(self, id_: str, outputs: Properties) -> None:
        folder = _folder(outputs)
        machine.delete(f"moorage-{outputs['platform']}-{outputs['name']}", folder)
        _reservation(folder).unlink(missing_ok=True)
        with suppress(OSError):  # others' hosts are still in it
            folder.parent.rmdir()


def _reserve(folder: Path, network: IPv4Network) -> str:
    """The lowest address that no host of the platform has; the same one again for a host that was begun before."""
    mine = _reservation(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _ADDRESSES:
        if not mine.exists() or ip_address(mine.read_text()) not in network:
            taken = {path.read_text() for path in folder.parent.glob("*.address")}
            free = (str(network[number]) for number in range(_FIRST_HOST, network.num_addresses - 1))
            mine.write_text(next(address for address in free if address not in taken))
        return mine.read_text()


def _reservation(folder: Path) -> Path:
    return folder.with_name(folder.name + ".address")


def _folder(properties: Properties) -> Path:
    return cache.hosts() / str(properties["platform"]) / str(properties["name"])

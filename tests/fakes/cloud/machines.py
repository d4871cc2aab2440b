"""Instances of the fake cloud as local hosts, which take from their user data what cloud-init would."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

import yaml

from installer.core import cache
from installer.provision.local import kernel, machine, network, rootfs
from tests.fakes.cloud.cloud import Rule

_FIRST: Final = 10  # addresses below are the network's own
_HEAD: Final = "#cloud-config\n"
# After conntrack knows a packet, before anybody leads it elsewhere.
_FILTER: Final = """
table inet cloud
delete table inet cloud
table inet cloud {{
  chain entry {{
    type filter hook prerouting priority mangle
    iifname != "eth0" accept
    ct state established,related accept
    {rules}
    meta l4proto {{ tcp, udp }} drop
  }}
}}
"""


@dataclass
class LocalMachines:
    """All machines of one platform, in one network of this machine; `routes` are what no packet finds a way to else.

    Their addresses are that network's, whatever range the cloud's network has.
    """

    platform: str
    folder: Path
    routes: tuple[str, ...] = ("10.127.0.0/16",)
    booted: set[str] = field(default_factory=set)  # ids
    reserved: set[str] = field(default_factory=set)  # addresses
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self) -> str:
        """An address that no other has; the network comes with the first."""
        with self.lock:
            reach = self._network()
            address = next(
                str(reach[number]) for number in range(_FIRST, 250) if str(reach[number]) not in self.reserved
            )
            self.reserved.add(address)
        return address

    def release(self, address: str) -> None:
        """Have it free again; the network goes with the last."""
        with self.lock:
            self.reserved.discard(address)
            if not self.reserved:
                self._leave()

    def start(self, id_: str, address: str, user_data: str) -> None:
        """Boot one; its host key, its name and who may log in are from its user data."""
        if not user_data.startswith(_HEAD):
            raise AssertionError("cloud-init reads user data only below its own first line")
        config = yaml.safe_load(user_data)
        if config["users"] or config["disable_root"]:
            raise AssertionError("these machines have no account but root's")
        with self.lock:
            self.booted.add(id_)
        machine.create(
            machine.Machine(
                container=self._container(id_),
                hostname=config["hostname"],
                network=self._name,
                address=address,
                folder=self.folder / _short(id_),
                rootfs=rootfs.ensure(cache.root()),
                routes=self.routes,
                public_key="\n".join(config["ssh_authorized_keys"]),
                host_key=config["ssh_keys"]["ed25519_private"],
            )
        )
        for command in config["bootcmd"]:  # before SSH answers, and what fails stops nothing there; here it does
            self._run(id_, command)

    def stop(self, id_: str) -> None:
        """Remove one, disks and all."""
        machine.delete(self._container(id_), self.folder / _short(id_))
        with self.lock:
            self.booted.discard(id_)

    def allow(self, id_: str, rules: frozenset[Rule]) -> None:
        """As a security group does: whatever is let in is answered, and all else is lost before anything sees it."""
        lines = [
            f"ip saddr {{ {', '.join(sorted(rule.sources))} }} {rule.protocol} dport {rule.first}-{rule.last} accept"
            for rule in rules
        ]
        text = _FILTER.format(rules="\n    ".join(sorted(lines)))
        self._run(id_, ["nft", "-f", "-"], text)

    def close(self) -> None:
        """Remove all that are left, whatever became of them."""
        for id_ in list(self.booted):
            self.stop(id_)
        for address in list(self.reserved):
            self.release(address)

    def _network(self) -> IPv4Network:
        with kernel.held():
            kernel.raise_limits()
            return network.create(self._name, self.platform)

    def _leave(self) -> None:
        with kernel.held():
            network.delete(self._name)
            if not network.any_left():
                kernel.restore()

    def _run(self, id_: str, argv: list[str], text: str = "") -> None:
        inside = ["podman", "exec", "-i", self._container(id_), *argv]
        subprocess.run(inside, input=text, text=True, check=True, capture_output=True, timeout=30)

    def _container(self, id_: str) -> str:
        return f"{self._name}-{_short(id_)}"

    @property
    def _name(self) -> str:
        return f"moorage-{self.platform}"


def _short(id_: str) -> str:
    """Its last part, where it is a path."""
    return id_.rpartition("/")[2]

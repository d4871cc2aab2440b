"""Will the hosts' network carry a cluster?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from installer.hostops.facts import HostFacts
from installer.hostops.preflight.registry import Finding, Machine, Severity, check, known

# What listens where: https://kubernetes.io/docs/reference/networking/ports-and-protocols/
_NODE_PORTS: Final = {10250: "kubelet", 10256: "kube-proxy", 7443: "the balancer"}
_MANAGER_PORTS: Final = {
    2379: "etcd",
    2380: "etcd",
    6443: "kube-apiserver",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
_MTU: Final = 1280  # the least that IPv6 allows; VXLAN takes 50 of it


@check("ports", group="network")
def ports(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Nobody else has the ports that we need."""
    for machine, facts in known(machines):
        if facts.manifest.units:
            continue  # it is we who have them
        needed = {**_NODE_PORTS, **(_MANAGER_PORTS if machine.role == "manager" else {})}
        for port in sorted(facts.ports & set(needed)):
            owner = facts.listeners.get(port, "some program")
            repair = f"ss -ltnp 'sport = :{port}'; stop it"
            yield Finding(machine.name, f"{owner} has port {port}", f"it is free for {needed[port]}", repair)


@check("forwarding", group="network", severity=Severity.WARNING)
def forwarding(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Packets are forwarded; where the host is a container, only its machine can say so."""
    for machine, facts in known(machines):
        if facts.nested and facts.sysctls.get("net.ipv4.ip_forward") != "1":
            yield Finding(machine.name, "net.ipv4.ip_forward is off", "on", "sysctl -w net.ipv4.ip_forward=1")


@check("mtu", group="network")
def mtu(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """One MTU everywhere, large enough for a tunnel."""
    found = {machine.name: facts.mtu_of(machine.address) for machine, facts in known(machines)}
    usual = max(found.values(), default=_MTU)
    for name, size in found.items():
        if size < _MTU:
            yield Finding(name, f"MTU {size}", f"at least {_MTU}", "ip link set dev ... mtu 1500")
        elif size != usual:
            yield Finding(name, f"MTU {size}", f"{usual}, as on the other hosts", f"ip link set dev ... mtu {usual}")


@check("address", group="network", ignorable=False)
def address(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Each host has the address that the others know it by."""
    for machine, facts in known(machines):
        if machine.address not in {found.split("/")[0] for _, found in facts.addresses}:
            has = ", ".join(found for name, found in facts.addresses if name != "lo") or "none"
            yield Finding(
                machine.name, f"its addresses are {has}", machine.address, "mend clusterAddress in the specification"
            )


@check("vip", group="network", ignorable=False)
def vip(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """The address that managers share is of the network in which each of them has its own."""
    for machine, facts in known(machines):
        networks = [found for _, found in facts.addresses if found.split("/")[0] == machine.address]
        if machine.vip and networks and not any(IPv4Address(machine.vip) in _network(one) for one in networks):
            wanted = f"an address of {_network(networks[0])}, which {machine.address} is in"
            yield Finding(machine.name, f"provider.vip is {machine.vip}", wanted, "mend vip in the specification")


def _network(address: str) -> IPv4Network:
    return IPv4Network(address, strict=False)


@check("unique", group="hosts", ignorable=False)
def unique(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """No two hosts are the same machine, or have the same name or address."""
    for what, of in _IDENTITIES.items():
        owners = defaultdict(list)
        for machine, facts in known(machines):
            if value := of(machine, facts):
                owners[value].append(machine.name)
        for value, names in owners.items():
            for name in names[1:]:
                repair = "systemd-machine-id-setup after removing /etc/machine-id" if what == "machine id" else ""
                yield Finding(name, f"{what} {value}, as {names[0]} has it", f"a {what} of its own", repair)


def _hostname(machine: Machine, facts: HostFacts) -> str:
    return facts.hostname


def _machine_id(machine: Machine, facts: HostFacts) -> str:
    return facts.machine_id


def _address(machine: Machine, facts: HostFacts) -> str:
    return machine.address


_IDENTITIES: Final = {"hostname": _hostname, "machine id": _machine_id, "address": _address}

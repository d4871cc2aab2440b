"""Can the hosts be reached, by us and by each other, as root?"""

from __future__ import annotations

from collections.abc import Iterable

from installer.core.errors import InstallerError
from installer.hostops.preflight.registry import Finding, Machine, check, known


@check("reach", group="hosts", ignorable=False)
def reach(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """SSH answers, the key is the pinned one, the login works."""
    for machine in machines:
        if isinstance(machine.facts, InstallerError):
            yield Finding(machine.name, machine.facts.what, "a login over SSH as root or with sudo", machine.facts.hint)


@check("root", group="hosts", ignorable=False)
def root(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Commands run as root."""
    for machine, facts in known(machines):
        if facts.uid != 0:
            yield Finding(machine.name, f"user id {facts.uid}", "root, or sudo without a terminal")


@check("peers", group="network")
def peers(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Hosts reach each other, those of other regions at what they need of them."""
    for machine in machines:
        for peer, reached in machine.peers.items():
            if reached.problem:
                told = f"cannot reach {peer}: {reached.problem}"
                yield Finding(machine.name, told, "all hosts reach each other", "open the firewall")

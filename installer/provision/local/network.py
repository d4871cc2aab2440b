"""A platform's own network on this machine, of all its local regions, from the range for benchmarks (RFC 2544)."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Network, ip_network

from installer.core.errors import InfrastructureError
from installer.provision.local import shell

RANGE = IPv4Network("198.18.0.0/15")
_PREFIX = 24
LABEL = "moorage.platform"


def create(name: str, platform: str) -> IPv4Network:
    """Make the network, or find it as an earlier run left it; returns its range."""
    if (found := find(name)) is not None:
        return found
    for candidate in _candidates(platform):
        done = shell.run(
            [
                "podman",
                "network",
                "create",
                "--internal",
                "--disable-dns",
                f"--label={LABEL}={platform}",
                f"--subnet={candidate}",
                f"--gateway={candidate[1]}",  # this machine's own address there; without it, it could not reach hosts
                name,
            ],
            check=False,
        )
        if done.returncode == 0:
            return candidate
        if "already used" not in done.stderr and "overlap" not in done.stderr and "in use" not in done.stderr:
            raise InfrastructureError(
                f"podman cannot make the network {name}", last_lines=done.stderr.splitlines()[-3:]
            )
    raise InfrastructureError(f"no free network is left in {RANGE}", hint="`podman network ls`; remove those unused")


def find(name: str) -> IPv4Network | None:
    """The range of the network, or None when there is none of this name."""
    done = shell.run(["podman", "network", "inspect", name], check=False)
    if done.returncode:
        return None
    return IPv4Network(json.loads(done.stdout)[0]["subnets"][0]["subnet"])


def delete(name: str) -> None:
    """Remove the network if it is there and no host is in it: regions of a platform share it, the last one ends it."""
    if find(name) is not None and not _hosts_in(name):
        shell.run(["podman", "network", "rm", name])


def any_left() -> bool:
    """Whether any platform still has a network here."""
    return bool(shell.run(["podman", "network", "ls", "--quiet", "--filter", f"label={LABEL}"]).stdout.split())


def _hosts_in(name: str) -> list[str]:
    return shell.run(["podman", "ps", "--all", "--quiet", "--filter", f"network={name}"]).stdout.split()


def _candidates(platform: str) -> list[IPv4Network]:
    """Ranges that no network here has, starting at one that depends on the platform's name: two rarely race for one."""
    taken = _taken()
    every = list(RANGE.subnets(new_prefix=_PREFIX))
    start = int.from_bytes(hashlib.sha256(platform.encode()).digest()[:4]) % len(every)
    return [net for net in (*every[start:], *every[:start]) if not any(net.overlaps(other) for other in taken)]


def _taken() -> list[IPv4Network]:
    names = shell.run(["podman", "network", "ls", "--format", "{{.Name}}"]).stdout.split()
    found = json.loads(shell.run(["podman", "network", "inspect", *names]).stdout) if names else []
    ranges = [ip_network(subnet["subnet"]) for network in found for subnet in network.get("subnets") or ()]
    return [network for network in ranges if isinstance(network, IPv4Network)]

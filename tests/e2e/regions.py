"""Cuts a region of local hosts off, as a broken line between places does, and mends it again."""

from __future__ import annotations

from installer.spec import specification
from installer.spec.hosts import wanted_hosts
from tests.e2e.platform_under_test import PlatformUnderTest, podman

_TABLE = "inet moorage_cut"
# In each host of the region, before anything else looks at a packet: pods' packets leave and come inside packets of
# their hosts, and those that are passed on unwrapped (node ports) are met on their way through.
_RULES = """table {table}
delete table {table}
table {table} {{
  set away {{ type ipv4_addr; elements = {{ {addresses} }} }}
  chain come {{ type filter hook prerouting priority -400; policy accept; ip saddr @away drop; }}
  chain leave {{ type filter hook output priority -400; policy accept; ip daddr @away drop; }}
  chain pass {{ type filter hook forward priority -400; policy accept; ip daddr @away drop; }}
}}
"""


def cut(platform: PlatformUnderTest, region: str, *, from_here: bool = True) -> None:
    """No packet passes between the hosts of `region` and those of others; nor, `from_here`, this machine's.

    Hosts that are made afterwards are not cut off. Once more does no harm.
    """
    inside, outside = _hosts(platform, region)
    away = [_address(container) for container in outside]
    if from_here:
        away.append(_gateway(platform))
    rules = _RULES.format(table=_TABLE, addresses=", ".join(away)).encode()
    for container in inside:
        podman("exec", "--interactive", container, "nft", "-f", "-", stdin=rules)


def mend(platform: PlatformUnderTest, region: str) -> None:
    """Packets pass again; nothing happens where they do."""
    for container in _hosts(platform, region)[0]:
        podman("exec", container, "sh", "-c", f"! nft list table {_TABLE} >/dev/null 2>&1 || nft delete table {_TABLE}")


def _hosts(platform: PlatformUnderTest, region: str) -> tuple[list[str], list[str]]:
    """Containers of the region's hosts, and of all others; those that the specification has and that are there."""
    wanted = specification.load(platform.folder / "platform.yaml").platform
    assert wanted is not None
    there = platform.containers()
    named = {f"moorage-{platform.name}-{host.name}": host.region for host in wanted_hosts(wanted)}
    inside = [name for name, of in named.items() if of == region and name in there]
    assert inside, f"region {region} has no hosts"
    return inside, [name for name, of in named.items() if of != region and name in there]


def _address(container: str) -> str:
    return podman("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container).strip()


def _gateway(platform: PlatformUnderTest) -> str:
    """This machine's address among the hosts."""
    name = f"moorage-{platform.name}"
    return podman("network", "inspect", "--format", "{{(index .Subnets 0).Gateway}}", name).strip()

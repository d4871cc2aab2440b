"""Who may reach what on Google Cloud: firewall rules with the ports of installer/spec/ports.py, and no others.

Google lets nothing in without a rule. Rules know instances by their network tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

import pulumi
from pulumi_gcp.compute.firewall import Firewall as Rule

from installer.spec.base import Role
from installer.spec.ports import SSH, Port, Source
from stacks.common.fronts import Front
from stacks.common.tags import Tags
from stacks.gcp.names import about, named, network_tag

_ANYWHERE: Final = "0.0.0.0/0"
_WEB: Final = ("80", "443")
_LAST: Final = 65000  # priority: after all rules that let something through, which have Google's own, 1000
# Where the balancer's health checks come from: https://cloud.google.com/load-balancing/docs/health-check-concepts
_PROBES: Final = ("35.191.0.0/16", "130.211.0.0/22")
_PUBLIC_PROBES: Final = ("35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22")


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """`sources` may log in, `published` may reach clusters' ports, in `joined` are hosts of other regions.

    `range`: the network's own addresses. `roles`: of the hosts that there are.
    """

    network: pulumi.Input[str]
    range: pulumi.Input[str]
    public: bool
    sources: Sequence[IPv4Network]
    published: Sequence[IPv4Network]
    joined: Sequence[IPv4Network]
    roles: Sequence[Role]
    fronts: Sequence[Front]
    ports: Sequence[Port]
    tags: Tags


class Firewall(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """Rules for instances that have the network tag of a role, or of the bastion."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Firewall", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        for role in args.roles:
            for source in Source:
                found = [port for port in args.ports if role in port.on and source in port.sources]
                peer, where = self._peer(source)
                if found and where:
                    self._rule(role, f"from-{peer}", allows=_allowed(found), **where)
            if args.joined:
                others = {Source.HOSTS, Source.MANAGERS, Source.DEDICATED}
                found = [p for p in args.ports if role in p.on and p.joins and others & set(p.sources)]
                self._rule(role, "from-joined", allows=_allowed(found), **_ranges(args.joined))
        if not args.public:
            self._open_bastion()
        self.register_outputs({})

    def _peer(self, source: Source) -> tuple[str, dict[str, Any]]:
        """A name for where a source is, and how a rule says that; nothing where there is none."""
        args = self._args
        match source:
            case Source.YOU:
                return ("you", _ranges(args.sources)) if args.public else ("bastion", self._tagged("bastion"))
            case Source.BALANCER:
                # It passes connections on as they come, so who uses it is let in, too: `you`, or else the network.
                probes = [_PUBLIC_PROBES if front.public else _PROBES for front in args.fronts]
                through = list(dict.fromkeys(chain.from_iterable(probes)))
                return "balancer", {"source_ranges": [*through, *([] if args.public else [args.range])]}
            case Source.MANAGERS:
                return "managers", self._tagged("manager")
            case Source.HOSTS:
                return "hosts", self._tagged("manager", "worker")
            case Source.DEDICATED:
                return "dedicated", self._tagged("dedicated")
            case Source.USERS:
                return "users", _ranges(args.published)

    def _tagged(self, *groups: str) -> dict[str, Any]:
        """Those of them that there are, and the bastion."""
        there = [group for group in groups if group in (*self._args.roles, "bastion")]
        return {"source_tags": [network_tag(self._args.tags, group) for group in there]} if there else {}

    def _rule(self, group: str, peer: str, **what: Any) -> None:
        tags = self._args.tags
        Rule(
            named(tags, f"{group}-{peer}"),
            network=self._args.network,
            description=about(tags, f"{group} {peer}".replace("-", " ")),
            target_tags=[network_tag(tags, group)],
            opts=self._child,
            **what,
        )

    def _open_bastion(self) -> None:
        """It is logged in to, leads to what `you` may reach, and fetches its updates; nothing else leaves it."""
        args = self._args
        self._rule("bastion", "from-you", allows=_allowed([SSH]), **_ranges(args.sources))
        passed_on = [port for port in args.ports if Source.YOU in port.sources]
        out = {"direction": "EGRESS"}
        self._rule("bastion", "to-hosts", allows=_allowed(passed_on), destination_ranges=[args.range], **out)
        web = [{"protocol": "tcp", "ports": list(_WEB)}]
        self._rule("bastion", "to-web", allows=web, destination_ranges=[_ANYWHERE], **out)
        nothing = [{"protocol": "all"}]
        self._rule("bastion", "to-rest", denies=nothing, destination_ranges=[_ANYWHERE], priority=_LAST, **out)


def _allowed(ports: Iterable[Port]) -> list[dict[str, Any]]:
    def by_protocol() -> Iterator[dict[str, Any]]:
        for protocol, found in groupby(sorted(ports, key=attrgetter("protocol", "first")), attrgetter("protocol")):
            yield {"protocol": protocol, "ports": [port.range for port in found]}

    return list(by_protocol())


def _ranges(networks: Sequence[IPv4Network]) -> dict[str, Any]:
    return {"source_ranges": [str(network) for network in networks]} if networks else {}

"""TCP balancers before the managers on Azure: of their API, and of ports of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_azure_native.network.load_balancer import LoadBalancer
from pulumi_azure_native.network.public_ip_address import PublicIPAddress

from installer.spec.ports import API
from stacks.azure.place import ADDRESS, Place
from stacks.common.fronts import Front

_PART: Final = "manager"  # what each of its parts is called
_ZONES: Final = ["1", "2", "3"]


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`subnet`: where its address is, unless that is public."""

    front: Front
    place: Place
    subnet: pulumi.Input[str]


class Balancer(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`address` is what it is reached at; interfaces of managers are put into `pool`."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:Balancer", name, None, opts)
        child, place = pulumi.ResourceOptions(parent=self), args.place
        front: dict[str, Any] = {
            "subnet": {"id": args.subnet},
            "private_ip_allocation_method": "Dynamic",
            "zones": _ZONES,
        }
        public = None
        if args.front.public:
            public = PublicIPAddress(name, **place.of(name), public_ip_address_name=name, **ADDRESS, opts=child)
            front = {"public_ip_address": {"id": public.id}}
        self._id = pulumi.Output.concat(place.group_id, f"/providers/Microsoft.Network/loadBalancers/{name}")
        balancer = LoadBalancer(
            name,
            **place.of(name),
            load_balancer_name=name,
            sku={"name": "Standard"},
            frontend_ip_configurations=[{"name": _PART, **front}],
            backend_address_pools=[{"name": _PART}],
            probes=[
                {
                    "name": _PART,
                    "protocol": "Https",
                    "port": API.first,
                    "request_path": "/readyz",
                    "interval_in_seconds": 5,
                    "probe_threshold": 2,
                }
            ],
            load_balancing_rules=list(self._rules(args.front)),
            opts=child,
        )
        # With the id of the balancer, which is not known before that is there: nor is what goes into it, then.
        self.pool = pulumi.Output.all(self._part("backendAddressPools")["id"], balancer.id).apply(lambda both: both[0])
        private = balancer.frontend_ip_configurations.apply(lambda found: found[0].private_ip_address)
        self.address = public.ip_address if public else private
        self.register_outputs({"address": self.address})

    def _rules(self, front: Front) -> Iterator[dict[str, Any]]:
        """One for each port. Inside, one for all ports is possible, alone; what comes in is the firewall's to say.

        https://learn.microsoft.com/azure/load-balancer/load-balancer-ha-ports-overview
        """
        if not front.public and front.ports != (API,):
            yield self._rule(_PART, "All", 0)
            return
        for port in front.ports:
            for number in range(port.first, port.last + 1):
                yield self._rule(_PART if port == API else f"port-{number}", "Tcp", number)

    def _rule(self, name: str, protocol: str, port: int) -> dict[str, Any]:
        return {
            "name": name,
            "protocol": protocol,
            "frontend_port": port,
            "backend_port": port,
            "frontend_ip_configuration": self._part("frontendIPConfigurations"),
            "backend_address_pool": self._part("backendAddressPools"),
            "probe": self._part("probes"),
            "enable_tcp_reset": True,
            "disable_outbound_snat": True,
        }

    def _part(self, kind: str) -> dict[str, Any]:
        """Parts refer to each other by ids that are known before the balancer is there."""
        return {"id": pulumi.Output.concat(self._id, f"/{kind}/{_PART}")}

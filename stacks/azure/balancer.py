"""A TCP balancer before the manager's API servers on Azure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_azure_native.network.load_balancer import LoadBalancer
from pulumi_azure_native.network.public_ip_address import PublicIPAddress

from installer.spec.ports import API
from stacks.azure.place import ADDRESS, Place

_PART: Final = "manager"  # what each of its parts is called
_ZONES: Final = ["1", "2", "3"]


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`subnet`: where its address is, unless `public`."""

    place: Place
    subnet: pulumi.Input[str]
    public: bool


class ManagerBalancer(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`address` is what it is reached at; interfaces of managers are put into `pool`."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:azure:ManagerBalancer", name, None, opts)
        child, place = pulumi.ResourceOptions(parent=self), args.place
        front: dict[str, Any] = {
            "subnet": {"id": args.subnet},
            "private_ip_allocation_method": "Dynamic",
            "zones": _ZONES,
        }
        public = None
        if args.public:
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
            load_balancing_rules=[
                {
                    "name": _PART,
                    "protocol": "Tcp",
                    "frontend_port": API.first,
                    "backend_port": API.first,
                    "frontend_ip_configuration": self._part("frontendIPConfigurations"),
                    "backend_address_pool": self._part("backendAddressPools"),
                    "probe": self._part("probes"),
                    "enable_tcp_reset": True,
                    "disable_outbound_snat": True,
                }
            ],
            opts=child,
        )
        # With the id of the balancer, which is not known before that is there: nor is what goes into it, then.
        self.pool = pulumi.Output.all(self._part("backendAddressPools")["id"], balancer.id).apply(lambda both: both[0])
        private = balancer.frontend_ip_configurations.apply(lambda found: found[0].private_ip_address)
        self.address = public.ip_address if public else private
        self.register_outputs({"address": self.address})

    def _part(self, kind: str) -> dict[str, Any]:
        """Parts refer to each other by ids that are known before the balancer is there."""
        return {"id": pulumi.Output.concat(self._id, f"/{kind}/{_PART}")}

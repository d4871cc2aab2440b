"""Services of type LoadBalancer: each has a twin in the manager, whose address one of the hosts answers for.

What comes to the address goes on to a port of the cluster's nodes, by the manager's own kube-proxy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from installer.kubernetes import hosted, speakers
from installer.kubernetes.documents import Document

ADDRESS: Final = "moorage.dev/address"  # annotation of a tenant's Service: the address that it wants
SERVICE: Final = "moorage.dev/service"  # annotation of a twin: NAMESPACE/NAME of its Service in the cluster
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
PART: Final = "load-balancer"  # moorage.dev/part of twins


def twin_name(uid: str) -> str:
    """The name of the twin of the Service with this uid."""
    return f"lb-{uid}"


def twin(cluster: str, service: Mapping[str, Any], *, selects: bool) -> Document:
    """The Service in the manager that stands for one of the cluster's, as that cluster's API has it.

    `selects`: it leads to all nodes of the cluster, by those that are pods, and by `of_hosts`; otherwise to those that
    its EndpointSlice names.
    """
    meta, spec = service["metadata"], service["spec"]
    wanted: dict[str, Any] = {
        "type": "LoadBalancer",
        "loadBalancerClass": speakers.CLASS,
        "allocateLoadBalancerNodePorts": False,
        "externalTrafficPolicy": spec.get("externalTrafficPolicy", "Cluster"),
        "ports": ports(service),
    }
    for key in ("loadBalancerSourceRanges", "sessionAffinity", "sessionAffinityConfig"):
        if spec.get(key):
            wanted[key] = spec[key]
    if selects:
        wanted["selector"] = hosted.labels(cluster, hosted.NODE)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": twin_name(meta["uid"]),
            "namespace": hosted.namespace(cluster),
            "labels": hosted.labels(cluster, PART),
            "annotations": {SERVICE: f"{meta['namespace']}/{meta['name']}"},
        },
        "spec": wanted,
    }


def ports(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ports of a twin: what comes to a port of the address goes to the port of a node."""
    return [
        {
            "name": port.get("name") or f"port-{port['port']}",
            "port": port["port"],
            "protocol": port.get("protocol", "TCP"),
            "targetPort": port["nodePort"],
        }
        for port in service["spec"].get("ports") or ()
    ]


def endpoints(cluster: str, service: Mapping[str, Any], nodes: Mapping[str, tuple[str, str]]) -> Document:
    """The EndpointSlice of a twin that does not select; `nodes` that have a pod of the Service: address and host."""
    led_to = [{"addresses": [address], "nodeName": host} for _, (address, host) in sorted(nodes.items())]
    return _slice(cluster, service, twin_name(service["metadata"]["uid"]), led_to)


def of_hosts(cluster: str, service: Mapping[str, Any], addresses: Sequence[str]) -> Document:
    """The EndpointSlice of a twin that selects, of nodes that are whole hosts: no pod stands for them."""
    name = hosts_name(service["metadata"]["uid"])
    return _slice(cluster, service, name, [{"addresses": [address]} for address in addresses])


def hosts_name(uid: str) -> str:
    """The name of that EndpointSlice."""
    return f"{twin_name(uid)}-hosts"


def _slice(cluster: str, service: Mapping[str, Any], name: str, led_to: Sequence[Mapping[str, Any]]) -> Document:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": hosted.namespace(cluster),
            "labels": {
                **hosted.labels(cluster, PART),
                "kubernetes.io/service-name": twin_name(service["metadata"]["uid"]),
                MANAGED_BY: "moorage-controller",
            },
        },
        "addressType": "IPv4",
        "ports": [
            {"name": port["name"], "port": port["targetPort"], "protocol": port["protocol"]} for port in ports(service)
        ],
        "endpoints": [{**one, "conditions": {"ready": True, "serving": True}} for one in led_to],
    }

"""How a hosted API server reaches Services and pods of its cluster: through a proxy on any of the cluster's nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from installer.core import layout
from installer.kubernetes import control_plane, node
from installer.kubernetes.documents import Document
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest, Process, Rendered, flags
from installer.kubernetes.roots import Roots
from installer.spec.cluster import ClusterNetwork

NAME: Final = "egress"  # of the process beside the API server, and of the Service that leads to the nodes
HOSTS: Final = "egress-hosts"  # EndpointSlice of that Service
PROXY: Final = "egress-proxy"  # of the process on a node, and in its certificate
PORT: Final = 7445
RUN: Final = "/run/moorage"  # directory of the socket
USERS: Final = ("kube-apiserver", NAME)  # processes that share it
SELECTOR_CONFIG: Final = f"{control_plane.CONFIG}/egress.json"
_AUTHORITY: Final = f"{control_plane.CONFIG}/front-proxy-ca.crt"
_SOCKET: Final = f"{RUN}/egress.sock"
_PROGRAM: Final = f"{layout.CURRENT}/{layout.BIN}/moorage-host"


def service(namespace: str, labels: dict[str, str], nodes: dict[str, str]) -> Document:
    """One address that leads to the proxy of any node that serves; `nodes` selects their pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": nodes,
            "ports": [{"name": "proxy", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def slice_of_hosts(namespace: str, labels: dict[str, str], addresses: Sequence[str]) -> Document:
    """Whole hosts that are nodes of the cluster, where that Service leads, too."""
    mine = {"kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": "moorage-controller"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": HOSTS, "namespace": namespace, "labels": {**labels, **mine}},
        "addressType": "IPv4",
        "ports": [{"name": "proxy", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
    }


def beside_api_server(network: ClusterNetwork, address: str) -> Rendered:
    """The process that an API server leaves its pod through; `address` is the Service's."""
    argv = flags(
        {
            "listen": _SOCKET,
            "to": _inside(network),
            "via": f"{address}:{PORT}",
            "server-name": PROXY,
            "ca": _AUTHORITY,
            "certificate": f"{control_plane.CONFIG}/front-proxy-client.crt",
            "key": f"{control_plane.CONFIG}/front-proxy-client.key",
        }
    )
    return Rendered(
        processes=(
            # The API server reads its selector at start only, and is in the same pod.
            Process(name=NAME, argv=(_PROGRAM, "egress", *argv), reads=(SELECTOR_CONFIG, _AUTHORITY)),
        ),
        files={SELECTOR_CONFIG: _selector()},
        certificates={},
    )


def on_node(network: ClusterNetwork, roots: Roots | None) -> Rendered:
    """The proxy of a node; it lets API servers of the cluster in, by their front-proxy certificate, and nobody else."""
    argv = flags(
        {
            "listen": f":{PORT}",
            "to": _inside(network),
            "client-ca": f"{node.CONFIG}/front-proxy-ca.crt",
            "client-name": control_plane.FRONT_PROXY_CLIENT,
            "certificate": f"{node.CONFIG}/{PROXY}.crt",
            "key": f"{node.CONFIG}/{PROXY}.key",
        }
    )
    return Rendered(
        processes=(Process(name=PROXY, argv=(_PROGRAM, "proxy", *argv)),),
        files={f"{node.CONFIG}/front-proxy-ca.crt": roots.authorities["front-proxy"].trusted if roots else ""},
        certificates={
            f"{node.CONFIG}/{PROXY}": CertificateRequest(
                "front-proxy", Subject(PROXY, names=(PROXY,), server=True, client=False)
            )
        },
    )


def _inside(network: ClusterNetwork) -> str:
    return f"{network.pods},{network.services}"


def _selector() -> str:
    """https://kubernetes.io/docs/reference/config-api/apiserver-config.v1beta1/#apiserver-k8s-io-v1beta1-EgressSelectorConfiguration"""
    transport = {"uds": {"udsName": _SOCKET}}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}
        ],
    }
    return json.dumps(document, indent=2) + "\n"

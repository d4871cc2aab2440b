"""An address that the managers of a region share: one of them has it while its API server can write who holds it.

On each manager a unit claims a Lease by its own API server, as Kubernetes' leader election does; whoever has that has
the address, with a lifetime that the kernel keeps: installer/bundle/programs/moorage-host/hold.go.
"""

from __future__ import annotations

from typing import Any, Final

from installer.core import layout
from installer.kubernetes import control_plane
from installer.kubernetes.documents import Document
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest, Process, Rendered, flags

UNIT: Final = "moorage-vip"
USER: Final = "moorage:vip"
_CREDENTIAL: Final = f"{layout.CONFIG}/vip/client"
_CA: Final = f"{control_plane.CONFIG}/ca.crt"
_NAMESPACE: Final = "kube-system"  # beside the Leases of Kubernetes' own parts
_RBAC: Final = "rbac.authorization.k8s.io"
_API_SERVER: Final = "kube-apiserver"


def render(*, vip: str, address: str, host: str, region: str, api_port: int, balancer: str) -> Rendered:
    """What holds `vip` beside `address` on a manager host; `balancer`: the URL that leads to any API server."""
    argv = flags(
        {
            "address": vip,
            "beside": address,
            "name": host,
            "server": f"https://127.0.0.1:{api_port}",
            "others": balancer,
            "lease": f"{_NAMESPACE}/vip-{region}",
            "certificate": f"{_CREDENTIAL}.crt",
            "key": f"{_CREDENTIAL}.key",
            "ca": _CA,
        }
    )
    process = Process(
        name=UNIT,
        description=f"Holds {vip}, which the managers of {region} share",
        argv=(f"{layout.CURRENT}/{layout.BIN}/moorage-host", "hold", *argv),
        after=(_API_SERVER, "moorage-balancer"),
        # It ends before its API server does, and another host has the address before nobody answers there.
        part_of=_API_SERVER,
        reads=(_CA,),
    )
    return Rendered(
        processes=(process,),
        files={},
        certificates={_CREDENTIAL: CertificateRequest("kubernetes", Subject(USER))},
    )


def access() -> list[Document]:
    """What the units may do, and that they wait for nobody: an address must not move because many others ask."""
    user = {"kind": "User", "name": USER, "apiGroup": _RBAC}
    leases: dict[str, Any] = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    verbs = ["get", "create", "update"]
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": USER, "namespace": _NAMESPACE},
            "rules": [{**leases, "verbs": verbs}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": USER, "namespace": _NAMESPACE},
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": USER},
            "subjects": [user],
        },
        {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": {"name": UNIT},
            "spec": {
                "priorityLevelConfiguration": {"name": "leader-election"},
                "matchingPrecedence": 100,
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [
                    {
                        "subjects": [{"kind": "User", "user": {"name": USER}}],
                        "resourceRules": [{**leases, "verbs": verbs, "namespaces": [_NAMESPACE]}],
                    }
                ],
            },
        },
    ]

"""A control plane: kube-apiserver, kube-controller-manager, kube-scheduler; the manager's and a cluster's alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import kubeconfig
from installer.kubernetes.pki import Subject, public_key_pem
from installer.kubernetes.rendering import CertificateRequest, Process, Rendered, flags
from installer.kubernetes.roots import Roots

CONFIG = f"{layout.CONFIG}/control-plane"
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
NODE_RESTRICTION = "NodeRestriction"  # the admission plugin without which a kubelet could change other nodes
# Groups and users of ours, bound to roles by `bootstrap_rbac` in addons.py.
ADMIN_GROUP = "moorage:admins"
KUBELET_CLIENT_USER = "moorage:kubelet-client"
FRONT_PROXY_CLIENT = "front-proxy-client"

# Also where there is one replica: another may join it. Renewed half as often as by default, and given up as late: an
# idle control plane writes little else.
_ELECTION: Final[Mapping[str, str | int | bool | None]] = {
    "leader-elect": True,
    "leader-elect-lease-duration": "15s",
    "leader-elect-renew-deadline": "10s",
    "leader-elect-retry-period": "4s",
}


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """One instance of a control plane."""

    version: str  # without a leading v
    advertise_address: str
    port: int
    names: tuple[str, ...]  # names and addresses in the serving certificate
    etcd_servers: tuple[str, ...]
    pods: IPv4Network
    services: IPv4Network
    domain: str
    etcd_user: str = "kube-apiserver"
    etcd_prefix: str = "/registry"
    node_ports: tuple[int, int] = (30000, 32767)
    manages_endpoints: bool = True  # False: somebody else writes the endpoints of Service default/kubernetes
    node_grace: str | None = None  # how long a node may be silent before it counts as lost; None: Kubernetes' 50 s
    probe_address: str = "127.0.0.1"
    shutdown_delay: str | None = None  # how long the API server serves on when told to end, until all know; None: 0
    audit_log: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    extra_args: dict[str, str] = field(default_factory=dict)  # more API server flags


def render(plane: ControlPlane, roots: Roots) -> Rendered:
    """Processes, files and certificates of `plane`."""
    return Rendered(
        processes=(
            _apiserver(plane),
            _controller_manager(plane, days=roots.authorities["kubernetes"].days),
            _scheduler(plane),
        ),
        files={
            f"{CONFIG}/ca.crt": roots.authorities["kubernetes"].trusted,
            # The signer of requests refuses a file of several.
            f"{CONFIG}/signing-ca.crt": roots.authorities["kubernetes"].cert_pem,
            f"{CONFIG}/ca.key": roots.authorities["kubernetes"].key_pem,
            f"{CONFIG}/etcd-ca.crt": roots.authorities["etcd"].trusted,
            f"{CONFIG}/front-proxy-ca.crt": roots.authorities["front-proxy"].trusted,
            f"{CONFIG}/service-account.key": roots.service_account_key,
            f"{CONFIG}/service-account.pub": public_key_pem(roots.service_account_key),
            f"{CONFIG}/encryption.json": _encryption(roots.encryption_key),
            f"{CONFIG}/authentication.json": _authentication(),
            f"{CONFIG}/audit.json": _audit_policy(),
            **{f"{CONFIG}/{name}.kubeconfig": _kubeconfig(name, plane.port) for name in _CLIENTS},
        },
        certificates={
            f"{CONFIG}/apiserver": CertificateRequest(
                "kubernetes", Subject("kube-apiserver", names=_server_names(plane), server=True, client=False)
            ),
            f"{CONFIG}/kubelet-client": CertificateRequest("kubernetes", Subject(KUBELET_CLIENT_USER)),
            f"{CONFIG}/front-proxy-client": CertificateRequest("front-proxy", Subject(FRONT_PROXY_CLIENT)),
            f"{CONFIG}/etcd-client": CertificateRequest("etcd", Subject(plane.etcd_user)),
            **{f"{CONFIG}/{name}": CertificateRequest("kubernetes", Subject(user)) for name, user in _CLIENTS.items()},
        },
    )


_CLIENTS = {"controller-manager": "system:kube-controller-manager", "scheduler": "system:kube-scheduler"}


def _server_names(plane: ControlPlane) -> tuple[str, ...]:
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{plane.domain}")
    own = (plane.advertise_address,) if plane.manages_endpoints else ()
    return tuple(dict.fromkeys((*service, str(plane.services[1]), "127.0.0.1", "localhost", *own, *plane.names)))


def _apiserver(plane: ControlPlane) -> Process:
    options: dict[str, str | int | bool | None] = {
        "advertise-address": plane.advertise_address,
        "secure-port": plane.port,
        "etcd-servers": ",".join(plane.etcd_servers),
        "etcd-prefix": plane.etcd_prefix,
        "etcd-cafile": f"{CONFIG}/etcd-ca.crt",
        "etcd-certfile": f"{CONFIG}/etcd-client.crt",
        "etcd-keyfile": f"{CONFIG}/etcd-client.key",
        # etcd compacts itself; the API server's own compaction writes a key outside its prefix.
        "etcd-compaction-interval": "0",
        "service-cluster-ip-range": str(plane.services),
        "service-node-port-range": f"{plane.node_ports[0]}-{plane.node_ports[1]}",
        "endpoint-reconciler-type": None if plane.manages_endpoints else "none",
        "client-ca-file": f"{CONFIG}/ca.crt",
        "tls-cert-file": f"{CONFIG}/apiserver.crt",
        "tls-private-key-file": f"{CONFIG}/apiserver.key",
        "tls-min-version": "VersionTLS12",
        "kubelet-client-certificate": f"{CONFIG}/kubelet-client.crt",
        "kubelet-client-key": f"{CONFIG}/kubelet-client.key",
        "kubelet-certificate-authority": f"{CONFIG}/ca.crt",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "proxy-client-cert-file": f"{CONFIG}/front-proxy-client.crt",
        "proxy-client-key-file": f"{CONFIG}/front-proxy-client.key",
        "requestheader-client-ca-file": f"{CONFIG}/front-proxy-ca.crt",
        "requestheader-allowed-names": FRONT_PROXY_CLIENT,
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "service-account-issuer": f"https://kubernetes.default.svc.{plane.domain}",
        "service-account-key-file": f"{CONFIG}/service-account.pub",
        "service-account-signing-key-file": f"{CONFIG}/service-account.key",
        "authentication-config": f"{CONFIG}/authentication.json",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": NODE_RESTRICTION,
        "encryption-provider-config": f"{CONFIG}/encryption.json",
        "allow-privileged": True,
        # Watches are ended one after the other when it stops; else it waits a minute for their clients to leave.
        "shutdown-watch-termination-grace-period": "3s",
        "shutdown-delay-duration": plane.shutdown_delay,
        "profiling": False,
    }
    if plane.audit_log:
        options |= {
            "audit-policy-file": f"{CONFIG}/audit.json",
            "audit-log-path": plane.audit_log,
            "audit-log-maxsize": 50,
            "audit-log-maxbackup": 4,
        }
    return Process(
        name="kube-apiserver",
        description="Kubernetes API server",
        argv=(_binary(plane, "kube-apiserver"), *flags({**options, **plane.extra_args})),
        env=plane.env,
        after=("etcd",),
        notifies=True,
        # Certificates and the encryption and authentication configurations are read again while it runs; these are not,
        # nor are the authorities of etcd and of kubelets.
        reads=(
            f"{CONFIG}/ca.crt",
            f"{CONFIG}/etcd-ca.crt",
            f"{CONFIG}/service-account.key",
            f"{CONFIG}/service-account.pub",
            f"{CONFIG}/audit.json",
        ),
    )


def _controller_manager(plane: ControlPlane, *, days: int) -> Process:
    options: dict[str, str | int | bool | None] = {
        **_client_flags("controller-manager"),
        "bind-address": plane.probe_address,
        "secure-port": CONTROLLER_MANAGER_PORT,
        "allocate-node-cidrs": True,
        "cluster-cidr": str(plane.pods),
        "service-cluster-ip-range": str(plane.services),
        "cluster-signing-cert-file": f"{CONFIG}/signing-ca.crt",
        "cluster-signing-duration": f"{days * 24}h",
        "cluster-signing-key-file": f"{CONFIG}/ca.key",
        "root-ca-file": f"{CONFIG}/ca.crt",
        "service-account-private-key-file": f"{CONFIG}/service-account.key",
        "use-service-account-credentials": True,
        "node-monitor-grace-period": plane.node_grace,
        # It asks twice for each of its fifty controllers before any of them starts: at the default of 20 a second that
        # alone took 5 s, and as long no node got its range of pod addresses.
        "kube-api-qps": 100,
        "kube-api-burst": 200,
        **_ELECTION,
        "profiling": False,
    }
    return Process(
        name="kube-controller-manager",
        description="Kubernetes controller manager",
        argv=(_binary(plane, "kube-controller-manager"), *flags(options)),
        env=plane.env,
        after=("kube-apiserver",),
        reads=(f"{CONFIG}/ca.crt", f"{CONFIG}/service-account.key"),
    )


def _scheduler(plane: ControlPlane) -> Process:
    options: dict[str, str | int | bool | None] = {
        **_client_flags("scheduler"),
        "bind-address": plane.probe_address,
        "secure-port": SCHEDULER_PORT,
        **_ELECTION,
        "profiling": False,
    }
    return Process(
        name="kube-scheduler",
        description="Kubernetes scheduler",
        argv=(_binary(plane, "kube-scheduler"), *flags(options)),
        env=plane.env,
        after=("kube-apiserver",),
        reads=(f"{CONFIG}/ca.crt",),
    )


def _client_flags(name: str) -> dict[str, str | int | bool | None]:
    path = f"{CONFIG}/{name}.kubeconfig"
    return {
        "kubeconfig": path,
        "authentication-kubeconfig": path,
        "authorization-kubeconfig": path,
        "requestheader-client-ca-file": f"{CONFIG}/front-proxy-ca.crt",
    }


def _kubeconfig(name: str, port: int) -> str:
    return kubeconfig.by_files(
        server=f"https://127.0.0.1:{port}",
        ca_file=f"{CONFIG}/ca.crt",
        cert_file=f"{CONFIG}/{name}.crt",
        key_file=f"{CONFIG}/{name}.key",
        user=_CLIENTS[name],
    )


def _binary(plane: ControlPlane, name: str) -> str:
    return f"{layout.CURRENT}/{layout.kubernetes_bin(plane.version)}/{name}"


def _encryption(key: Secret) -> Secret:
    return Secret(
        _json(
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "EncryptionConfiguration",
                "resources": [
                    {
                        "resources": ["secrets"],
                        "providers": [
                            {"secretbox": {"keys": [{"name": "key1", "secret": key.reveal()}]}},
                            {"identity": {}},
                        ],
                    }
                ],
            }
        )
    )


def _authentication() -> str:
    """Nobody is anonymous but a prober of health."""
    return _json(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "anonymous": {"enabled": True, "conditions": [{"path": p} for p in ("/livez", "/readyz", "/healthz")]},
        }
    )


def _audit_policy() -> str:
    """Who did what to which object; never a body, which may hold a secret. Reads by the system itself are left out."""
    return _json(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/version"]},
                {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
                {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
                {
                    "level": "None",
                    "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "level": "None",
                    "users": ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"],
                    "verbs": ["get", "list", "watch"],
                },
                {"level": "Metadata"},
            ],
        }
    )


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"

"""What runs inside a cluster, the manager or a tenant's: access rules, cluster DNS; in the manager the controller."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address
from typing import Any, Final

from installer.core import layout
from installer.kubernetes import control_plane, crd, crd_guard, datastore_crd, host, lost, node, placing, vip
from installer.kubernetes.settings import PlatformSettings

SYSTEM: Final = "moorage-system"  # the manager's namespace for what is ours
CONTROLLER: Final = "moorage-controller"
SETTINGS_MOUNT: Final = f"{layout.CONFIG}/controller"
SETTINGS_FILE: Final = f"{SETTINGS_MOUNT}/settings.json"
AUTHORITIES: Final = "moorage.dev/authorities"  # on pods: digest of those that their API is trusted by
NODES_LABEL: Final = "moorage.dev/cluster"  # on everything that belongs to a tenant cluster
# A node pod has the release that it was made from at the usual place, for its own pods, too.
NODE_RELEASE: Final = {"name": "release", "hostPath": {"path": layout.CURRENT, "type": "Directory"}}
_RBAC: Final = "rbac.authorization.k8s.io"
Documents = list[dict[str, Any]]


def manager(settings: PlatformSettings) -> Documents:
    """Everything that Moorage runs in the manager, in the order in which it is applied."""
    dns = _dns(
        image=settings.images["pause"],
        release=release_volume(settings.bundle),
        address=settings.services[10],
        domain=settings.domain,
        replicas=min(2, settings.managers + settings.workers),
        authorities=settings.authorities,
    )
    return [
        *access(),
        _namespace(SYSTEM),
        *crd.manifests(),
        datastore_crd.manifest(),
        *crd_guard.manifests(),
        *dns,
        *vip.access(),
        *_controller_access(),
        *_controller(settings),
    ]


def tenant(*, image: str, address: IPv4Address, domain: str, nodes: int, authorities: str) -> Documents:
    """Everything that Moorage runs inside a tenant's cluster; `authorities`: digest of those to be trusted there."""
    dns = _dns(
        image=image,
        release=NODE_RELEASE,
        address=address,
        domain=domain,
        replicas=max(1, min(2, nodes)),
        authorities=authorities,
    )
    return [*access(), *dns]


def access() -> Documents:
    """Roles of the users and groups that our certificates name, beside those that Kubernetes binds itself."""
    flannel_rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]
    return [
        _binding("moorage:admins", "cluster-admin", "Group", control_plane.ADMIN_GROUP),
        _binding("moorage:kubelet-client", "system:kubelet-api-admin", "User", control_plane.KUBELET_CLIENT_USER),
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": node.FLANNEL_USER},
            "rules": flannel_rules,
        },
        _binding(node.FLANNEL_USER, node.FLANNEL_USER, "User", node.FLANNEL_USER),
    ]


def _dns(
    *, image: str, release: dict[str, Any], address: IPv4Address, domain: str, replicas: int, authorities: str
) -> Documents:
    """CoreDNS as Kubernetes' own documentation has it: Service kube-dns at the address that kubelets hand out.

    Its program is the release's, like that of a control plane: nothing large is brought into each node's containerd.
    """
    corefile = f""".:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
        max_concurrent 1000
    }}
    cache 30
    loop
    reload
    loadbalance
}}
"""
    labels = {"k8s-app": "kube-dns"}
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        {"name": "metrics", "port": 9153, "protocol": "TCP"},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": rules,
        },
        _binding("system:coredns", "system:coredns", "ServiceAccount", "coredns", namespace="kube-system"),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
            "data": {"Corefile": corefile},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "replicas": replicas,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {
                        "labels": labels,
                        # It reads at start whom it trusts as its API server.
                        "annotations": {"moorage.dev/config": _digest(corefile), AUTHORITIES: authorities},
                    },
                    "spec": {
                        "serviceAccountName": "coredns",
                        "priorityClassName": "system-cluster-critical",
                        "dnsPolicy": "Default",
                        "tolerations": [{"key": host.MANAGER_TAINT["key"], "operator": "Exists"}],
                        "topologySpreadConstraints": placing.spread(labels),
                        "containers": [_coredns(image)],
                        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}, release],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"selector": labels, "clusterIP": str(address), "ports": ports},
        },
    ]


def _coredns(image: str) -> dict[str, Any]:
    return {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "command": [f"{layout.CURRENT}/{layout.BIN}/coredns", "-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 30},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "170Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/coredns", "readOnly": True},
            {"name": "release", "mountPath": layout.CURRENT, "readOnly": True},
        ],
    }


def _controller_access() -> Documents:
    everything = ["get", "list", "watch", "create", "update", "patch", "delete"]
    rules = [
        {"apiGroups": ["moorage.dev"], "resources": ["clusters"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["moorage.dev"], "resources": ["clusters/status", "clusters/finalizers"], "verbs": ["patch"]},
        {"apiGroups": ["moorage.dev"], "resources": ["datastores", "datastores/status"], "verbs": everything},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces", "services", "secrets", "pods"], "verbs": everything},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": everything},
        {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": everything},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": CONTROLLER, "namespace": SYSTEM}},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": CONTROLLER},
            "rules": rules,
        },
        _binding(CONTROLLER, CONTROLLER, "ServiceAccount", CONTROLLER, namespace=SYSTEM),
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": CONTROLLER, "namespace": SYSTEM},
            "rules": [
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
            ],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": CONTROLLER, "namespace": SYSTEM},
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": CONTROLLER},
            "subjects": [{"kind": "ServiceAccount", "name": CONTROLLER, "namespace": SYSTEM}],
        },
    ]


def _controller(settings: PlatformSettings) -> Documents:
    """One pod on a manager host. The old one ends before the new one starts; one that is left over has the lease."""
    labels = {"app": CONTROLLER}
    text = settings.to_json()
    on_managers = {
        "nodeSelector": {host.ROLE_LABEL: "manager"},
        "tolerations": [
            {"key": host.MANAGER_TAINT["key"], "operator": "Exists"},
            # A dead host is left soon: nobody else looks after the clusters.
            *_leaves_lost_hosts(),
        ],
    }
    container = {
        "name": "controller",
        "image": settings.images["controller"],
        "imagePullPolicy": "Never",
        "args": [SETTINGS_FILE],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2},
        # It waits for the lease, as long as another one works.
        "startupProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 1800},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": 8080},
            "periodSeconds": 20,
            "timeoutSeconds": 10,
        },
        # 100 MiB, and 0.4 to 0.7 a cluster: a limit for a thousand and some, which reserves nothing.
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "settings", "mountPath": SETTINGS_MOUNT, "readOnly": True},
            {"name": "release", "mountPath": layout.CURRENT, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
        ],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONTROLLER, "namespace": SYSTEM},
            "data": {"settings.json": text},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": CONTROLLER, "namespace": SYSTEM, "labels": labels},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {
                        "labels": labels,
                        "annotations": {"moorage.dev/config": _digest(text), AUTHORITIES: settings.authorities},
                    },
                    "spec": {
                        "serviceAccountName": CONTROLLER,
                        "priorityClassName": "system-cluster-critical",
                        "enableServiceLinks": False,
                        **on_managers,
                        "containers": [container],
                        "volumes": [
                            {"name": "settings", "configMap": {"name": CONTROLLER}},
                            release_volume(settings.bundle),
                            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
                        ],
                    },
                },
            },
        },
    ]


def release_volume(digest: str) -> dict[str, Any]:
    """The bundle `digest` of the host that a pod runs on; mounted at layout.CURRENT."""
    return {"name": "release", "hostPath": {"path": f"{layout.RELEASES}/{digest}", "type": "Directory"}}


def _leaves_lost_hosts() -> list[dict[str, Any]]:
    """Tolerations of a pod that is made elsewhere soon after its host counts as lost; Kubernetes waits five minutes."""
    return [{**one, "tolerationSeconds": int(lost.SINGLE_S)} for one in placing.waits_on_lost_hosts()]


def _binding(name: str, role: str, kind: str, subject: str, *, namespace: str = "") -> dict[str, Any]:
    whom = {"kind": kind, "name": subject}
    whom |= {"namespace": namespace} if namespace else {"apiGroup": _RBAC}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [whom],
    }


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""metrics-server in a tenant's cluster: `kubectl top` and horizontal pod autoscaling. https://github.com/kubernetes-sigs/metrics-server"""

from __future__ import annotations

import base64
from typing import Any, Final

from installer.core import layout
from installer.kubernetes import addons, documents
from installer.kubernetes.documents import Document
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest
from installer.spec.cluster import Cluster

NAME: Final = "metrics-server"  # of everything it consists of
NAMESPACE: Final = "kube-system"
API: Final = "v1beta1.metrics.k8s.io"
# Served to the API server alone, which checks the name of the Service that it calls.
SERVING: Final = CertificateRequest(
    "kubernetes", Subject(NAME, names=(f"{NAME}.{NAMESPACE}.svc",), server=True, client=False)
)
_CERTIFICATE: Final = f"{layout.CONFIG}/{NAME}"
_PORT: Final = 10250
_USER: Final = 65532
_RBAC: Final = "rbac.authorization.k8s.io"
_LABELS: Final = {"k8s-app": NAME}


def wanted(cluster: Cluster) -> bool:
    """Whether the cluster has it; not without a node: an API that nobody serves keeps namespaces from being deleted."""
    return cluster.spec.addons.metrics_server and any(pool.count for pool in cluster.spec.pools)


def render(*, image: str, release: dict[str, Any], ca_pem: str, credential: documents.Files) -> list[Document]:
    """All of it, the service account first, the API last.

    `credential`: tls.crt and tls.key, signed by the authority `ca_pem` as SERVING says.
    """
    meta = {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS}
    trusts = {addons.AUTHORITIES: documents.digest(ca_pem)}  # read at start
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        *_access(),
        documents.secret(NAME, NAMESPACE, credential, labels=_LABELS),
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "replicas": 1,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS, "annotations": trusts}, "spec": _pod(image, release)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": _LABELS, "ports": [{"name": "https", "port": 443, "targetPort": "https"}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": API, "labels": _LABELS},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(ca_pem.encode()).decode(),
                "service": {"name": NAME, "namespace": NAMESPACE},
            },
        },
    ]


def _pod(image: str, release: dict[str, Any]) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "Never",
        "command": [
            f"{layout.CURRENT}/{layout.BIN}/metrics-server",
            f"--secure-port={_PORT}",
            f"--tls-cert-file={_CERTIFICATE}/tls.crt",
            f"--tls-private-key-file={_CERTIFICATE}/tls.key",
            "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            "--metric-resolution=15s",
        ],
        "env": documents.environment({"GOMAXPROCS": "1"}),
        "ports": [{"name": "https", "containerPort": _PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "https", "scheme": "HTTPS"}, "periodSeconds": 5},
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": "https", "scheme": "HTTPS"},
            "initialDelaySeconds": 30,
        },
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "200Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": documents.mounts([("release", layout.CURRENT), ("certificate", _CERTIFICATE)]),
    }
    return {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "certificate", "secret": {"secretName": NAME, "defaultMode": 0o440}},
            release,
        ],
    }


def _access() -> list[Document]:
    """What upstream's own manifest grants, no more; whoever may view the cluster may view its metrics."""
    reads = ["get", "list", "watch"]
    return [
        _role(
            "system:aggregated-metrics-reader",
            [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": reads}],
            **{f"{_RBAC}/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")},
        ),
        _role(
            f"system:{NAME}",
            [
                {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": reads},
            ],
        ),
        _binding(f"system:{NAME}", "ClusterRole", f"system:{NAME}"),
        _binding(f"{NAME}:system:auth-delegator", "ClusterRole", "system:auth-delegator"),
        _binding(f"{NAME}-auth-reader", "Role", "extension-apiserver-authentication-reader"),
    ]


def _role(name: str, rules: list[dict[str, Any]], **labels: str) -> Document:
    meta = {"name": name, "labels": {**_LABELS, **labels}}
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}


def _binding(name: str, kind: str, role: str) -> Document:
    meta: dict[str, Any] = {"name": name, "labels": _LABELS}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": meta | ({"namespace": NAMESPACE} if kind == "Role" else {}),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }

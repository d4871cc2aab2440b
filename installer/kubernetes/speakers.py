"""Who answers for addresses of load balancers: speakers of MetalLB, one on every host, agree upon a host for each.

https://metallb.io/concepts/layer2/. Of MetalLB only these run: addresses are given out by our controller.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import addons, documents
from installer.kubernetes.documents import Document
from installer.kubernetes.settings import PlatformSettings
from installer.spec.addresses import Range

CLASS: Final = "moorage.dev/hosts"  # spec.loadBalancerClass of Services that they look at
NAMESPACE: Final = "moorage-load-balancer"  # of all this; speakers may read every Secret in it
SPEAKER: Final = "speaker"
MEMBERLIST: Final = "memberlist"  # Secret: what speakers prove to each other that they are some
MEMBERLIST_KEY: Final = "secretkey"
GROUP: Final = "metallb.io"
_INTERFACES: Final = "interfaces"  # ConfigMap: those that no speaker listens on
_INTERFACES_MOUNT: Final = "/etc/metallb"
_KEY_MOUNT: Final = "/etc/moorage/memberlist"
_PROGRAM: Final = "/moorage/metallb-speaker"  # in its pod
_METRICS_PORT, _MEMBERLIST_PORT = 7472, 7946
_ROLE: Final = "moorage:load-balancer"
_RBAC: Final = "rbac.authorization.k8s.io"
_ALL: Final = ["get", "list", "watch", "create", "update", "patch", "delete"]
_LABELS: Final = {"app": SPEAKER}
# Kind, plural, versions (the one that is stored last), where: the kinds that a speaker reads, whether there are any
# objects of them or not. Nobody but the controller writes any, so the API server need not know what is in them.
_KINDS: Final = (
    ("IPAddressPool", "ipaddresspools", ("v1beta1",)),
    ("L2Advertisement", "l2advertisements", ("v1beta1",)),
    ("BGPAdvertisement", "bgpadvertisements", ("v1beta1",)),
    ("BGPPeer", "bgppeers", ("v1beta1", "v1beta2")),
    ("BFDProfile", "bfdprofiles", ("v1beta1",)),
    ("Community", "communities", ("v1beta1",)),
    ("ServiceL2Status", "servicel2statuses", ("v1beta1",)),
    ("ServiceBGPStatus", "servicebgpstatuses", ("v1beta1",)),
)


def access() -> list[Document]:
    """What must be there before the first pool: the namespace, kinds, and what speakers may read; none of it runs."""
    enforce = {"pod-security.kubernetes.io/enforce": "privileged"}
    reads = ["get", "list", "watch"]
    everywhere: list[dict[str, Any]] = [
        {"apiGroups": [""], "resources": ["services", "nodes", "namespaces"], "verbs": reads},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": [GROUP], "resources": ["servicel2statuses"], "verbs": reads},
    ]
    states = ["servicel2statuses", "servicebgpstatuses"]
    own: list[dict[str, Any]] = [
        {"apiGroups": [GROUP], "resources": [plural for _, plural, _ in _KINDS], "verbs": reads},
        {
            "apiGroups": [GROUP],
            "resources": [*states, *(f"{state}/status" for state in states)],
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": reads},
    ]
    keeps: list[dict[str, Any]] = [
        {"apiGroups": [GROUP], "resources": ["ipaddresspools", "l2advertisements"], "verbs": _ALL},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": _ALL},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": _ALL},
    ]
    role = {"apiVersion": f"{_RBAC}/v1", "metadata": {"name": _ROLE}}
    whom = {"subjects": [{"kind": "ServiceAccount", "name": SPEAKER, "namespace": NAMESPACE}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforce}},
        *(_definition(*kind) for kind in _KINDS),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SPEAKER, "namespace": NAMESPACE}},
        {**role, "kind": "ClusterRole", "rules": everywhere},
        {
            **role,
            **whom,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _ROLE},
        },
        *_role(_ROLE, own, SPEAKER, NAMESPACE),
        *_role(addons.CONTROLLER, keeps, addons.CONTROLLER, addons.SYSTEM),
    ]


def _role(name: str, rules: list[dict[str, Any]], account: str, namespace: str) -> list[Document]:
    """What a service account may do in the speakers' namespace."""
    meta = {"name": name, "namespace": NAMESPACE}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]


def _definition(kind: str, plural: str, versions: Sequence[str]) -> Document:
    def version(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "served": True,
            "storage": name == versions[-1],
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }

    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version(name) for name in versions],
        },
    }


def memberlist_secret(key: Secret) -> Document:
    """The Secret that speakers share."""
    return documents.secret(MEMBERLIST, NAMESPACE, {MEMBERLIST_KEY: key}, labels=_LABELS)


def daemons(settings: PlatformSettings) -> list[Document]:
    """One speaker on every host, and the word that they answer for every pool."""
    # Those of pods, which come and go; a host may be asked for an address on any other.
    excluded = {"announcedInterfacesToExclude": ["^lo$", "^veth", "^cni", "^flannel", "^docker", "^podman", "^virbr"]}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _INTERFACES, "namespace": NAMESPACE, "labels": _LABELS},
            "data": {"excludel2.yaml": json.dumps(excluded)},
        },
        {
            "apiVersion": f"{GROUP}/v1beta1",
            "kind": "L2Advertisement",
            "metadata": {"name": "all", "namespace": NAMESPACE},
            "spec": {},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": SPEAKER, "namespace": NAMESPACE, "labels": _LABELS},
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                "template": {
                    # It reads at start whom it trusts as its API server.
                    "metadata": {"labels": _LABELS, "annotations": {addons.AUTHORITIES: settings.authorities}},
                    "spec": _pod(settings),
                },
            },
        },
    ]


def _pod(settings: PlatformSettings) -> dict[str, Any]:
    def field(name: str, path: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    container = {
        "name": SPEAKER,
        "image": settings.images["pause"],
        "imagePullPolicy": "Never",
        "command": [
            _PROGRAM,
            "--host=127.0.0.1",
            f"--port={_METRICS_PORT}",
            f"--lb-class={CLASS}",
            # The label is for balancers outside that send to every node; here one host answers, and any of them can.
            "--ignore-exclude-lb",
            f"--ml-bindport={_MEMBERLIST_PORT}",
            f"--ml-labels={','.join(f'{key}={value}' for key, value in _LABELS.items())}",
            f"--ml-secret-key-path={_KEY_MOUNT}",
        ],
        "env": [
            field("METALLB_NODE_NAME", "spec.nodeName"),
            field("METALLB_POD_NAME", "metadata.name"),
            field("METALLB_NAMESPACE", "metadata.namespace"),
            field("METALLB_ML_BIND_ADDR", "status.podIP"),
            *documents.environment({"GOMAXPROCS": "1"}),
        ],
        "readinessProbe": _probe(period=2),
        "livenessProbe": {**_probe(period=10), "initialDelaySeconds": 30},
        # It needs little, and must get it at once where a host is busy: an address that nobody answers for within three
        # seconds is unreachable.
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "200Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]},
        },
        "volumeMounts": documents.mounts(
            [("program", _PROGRAM), (MEMBERLIST, _KEY_MOUNT), (_INTERFACES, _INTERFACES_MOUNT)]
        ),
    }
    return {
        "serviceAccountName": SPEAKER,
        "priorityClassName": "system-node-critical",
        "enableServiceLinks": False,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            # By its content: a release with the same speaker does not start it anew. Each start of one may move
            # addresses to another host, which ends the connections that are open.
            {"name": "program", "hostPath": {"path": f"{layout.STORE}/{settings.speaker}", "type": "File"}},
            {"name": MEMBERLIST, "secret": {"secretName": MEMBERLIST, "defaultMode": 0o400}},
            {"name": _INTERFACES, "configMap": {"name": _INTERFACES}},
        ],
    }


def _probe(*, period: int) -> dict[str, Any]:
    # It listens on the loopback, which on the host's network is the kubelet's, too.
    return {
        "httpGet": {"path": "/metrics", "port": _METRICS_PORT, "host": "127.0.0.1"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
    }


def pool(cluster: str, ranges: Sequence[Range]) -> Document:
    """The addresses of a cluster, as speakers know them."""
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": cluster, "namespace": NAMESPACE, "labels": {addons.NODES_LABEL: cluster}},
        "spec": {"addresses": [f"{one.first}-{one.last}" for one in ranges], "autoAssign": False},
    }

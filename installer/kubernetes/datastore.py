"""A datastore: an etcd in the manager whose members lie on hosts' disks; it holds the data of one or many clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import addons, documents, etcd, issue, pki
from installer.kubernetes.documents import Document
from installer.kubernetes.rendering import Rendered
from installer.kubernetes.settings import PlatformSettings

NAMESPACE: Final = "moorage-datastores"
LABEL: Final = "moorage.dev/datastore"
MEMBER_LABEL: Final = "moorage.dev/member"
ROOT_USER: Final = "root"
SHARED: Final = "shared"
_THREE: Final = 3  # managers from which on a member may be lost


@dataclass(frozen=True)
class Tenant:
    """What one cluster may do in a datastore: one user, one role, one prefix, and nothing else."""

    cluster: str

    @property
    def user(self) -> str:
        return f"cluster-{self.cluster}"

    @property
    def prefix(self) -> str:
        """Every key of the cluster starts with it; the end of the range is the prefix with its last byte raised."""
        return f"/clusters/{self.cluster}/"

    @property
    def registry(self) -> str:
        """What the API server is told."""
        return f"{self.prefix}registry"


def member_names(name: str, settings: PlatformSettings) -> tuple[str, ...]:
    """The members of the datastore `name`: three where three managers can carry them."""
    return tuple(f"{name}-{index}" for index in range(_THREE if settings.managers >= _THREE else 1))


def namespace_document() -> Document:
    """The namespace of all datastores."""
    enforce = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforce}}


def authority_document(name: str, authority: pki.CertificateAuthority) -> Document:
    """The datastore's certificate authority."""
    entries: dict[str, str | Secret] = {"ca.crt": authority.cert_pem, "ca.key": authority.key_pem}
    return documents.secret(authority_secret(name), NAMESPACE, entries, labels={LABEL: name})


def authority_secret(name: str) -> str:
    """The name of the Secret with the datastore's authority."""
    return f"{name}-authority"


def service(name: str, member: str) -> Document:
    """A member's stable address; its peers use it before it is ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": member, "namespace": NAMESPACE, "labels": {LABEL: name}},
        "spec": {
            "selector": {LABEL: name, MEMBER_LABEL: member},
            "publishNotReadyAddresses": True,
            "ports": [
                {"name": "client", "port": etcd.CLIENT_PORT, "protocol": "TCP"},
                {"name": "peer", "port": etcd.PEER_PORT, "protocol": "TCP"},
            ],
        },
    }


def member_documents(
    name: str,
    member: str,
    *,
    addresses: Mapping[str, str],
    host: str,
    settings: PlatformSettings,
    authority: pki.CertificateAuthority,
    seen: Mapping[str, Secret],
) -> list[Document]:
    """Secret and StatefulSet of a member that lives on `host`; `addresses`: all members and their Services."""
    rendered = etcd.render(
        etcd.Member(
            name=member,
            address=addresses[member],
            peers=addresses,
            token=f"{settings.platform}-{name}",
            # Peers see a pod's own address, which no certificate can know; the authority is this etcd's alone.
            checks_peer_names=False,
        )
    )
    names = {f"{etcd.CONFIG}/{n.removesuffix('.crt')}": t.reveal() for n, t in seen.items() if n.endswith(".crt")}
    issued = issue.issue(rendered.certificates, {"etcd": authority}, names)
    files: dict[str, str | Secret] = {"ca.crt": authority.cert_pem}
    for stem in issued.kept:
        leaf = stem.removeprefix(f"{etcd.CONFIG}/")
        files |= {f"{leaf}.crt": seen[f"{leaf}.crt"], f"{leaf}.key": seen[f"{leaf}.key"]}
    files |= documents.credential_files(etcd.CONFIG, issued.new)
    return [
        documents.secret(member, NAMESPACE, files, labels={LABEL: name}),
        _stateful_set(name, member, host, rendered, settings),
    ]


def tenants_role(tenant: Tenant) -> Sequence[Sequence[str]]:
    """etcdctl's commands that give a cluster its user and role; each may have been done before."""
    return (
        ("role", "add", tenant.user),
        ("role", "grant-permission", tenant.user, "readwrite", tenant.prefix, "--prefix"),
        ("user", "add", tenant.user, "--no-password"),
        ("user", "grant-role", tenant.user, tenant.user),
    )


def removal(tenant: Tenant) -> Sequence[Sequence[str]]:
    """etcdctl's commands that take a cluster out: first who may write, then what was written."""
    return (
        ("user", "delete", tenant.user),
        ("role", "delete", tenant.user),
        ("del", tenant.prefix, "--prefix"),
    )


def guarding() -> Sequence[Sequence[str]]:
    """etcdctl's commands that turn authentication on; each may have been done before."""
    return (
        ("user", "add", ROOT_USER, "--no-password"),
        ("user", "grant-role", ROOT_USER, ROOT_USER),
        ("auth", "enable"),
    )


def _stateful_set(name: str, member: str, host: str, rendered: Rendered, settings: PlatformSettings) -> Document:
    mine = {LABEL: name, MEMBER_LABEL: member}
    (process,) = rendered.processes
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": member, "namespace": NAMESPACE, "labels": mine},
        "spec": {
            "replicas": 1,
            "serviceName": member,
            "selector": {"matchLabels": mine},
            "template": {
                "metadata": {"labels": mine},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "priorityClassName": "system-cluster-critical",
                    "nodeSelector": {"kubernetes.io/hostname": host},
                    "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 10,
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [_container(process.argv, settings)],
                    "volumes": [
                        addons.release_volume(settings.bundle),
                        {"name": "config", "secret": {"secretName": member, "defaultMode": 0o400}},
                        {"name": "data", "hostPath": {"path": data_path(member), "type": "DirectoryOrCreate"}},
                    ],
                },
            },
        },
    }


def data_path(member: str) -> str:
    """Where a member's data is on its host."""
    return f"{layout.STATE}/datastores/{member}"


def _container(argv: Sequence[str], settings: PlatformSettings) -> dict[str, Any]:
    return {
        "name": "etcd",
        "image": settings.images["pause"],
        "imagePullPolicy": "Never",
        "command": list(argv),
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "readinessProbe": {"tcpSocket": {"port": etcd.CLIENT_PORT}, "periodSeconds": 2},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *documents.mounts([("release", layout.CURRENT), ("config", etcd.CONFIG)]),
            *documents.mounts([("data", etcd.DATA)], read_only=False),
        ],
    }

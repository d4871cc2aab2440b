"""A datastore: an etcd in the manager whose members lie on hosts' disks; it holds the data of one or many clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import addons, documents, etcd, issue, pinned, pki
from installer.kubernetes.documents import Document
from installer.kubernetes.rendering import Rendered
from installer.kubernetes.settings import PlatformSettings

NAMESPACE: Final = "moorage-datastores"
LABEL: Final = "moorage.dev/datastore"
REMOVAL_LABEL: Final = "moorage.dev/datastore-removal"
OWNER_LABEL: Final = "moorage.dev/cluster"  # of a Datastore: the cluster that has it to itself
MEMBER_LABEL: Final = "moorage.dev/member"
JOINED: Final = "moorage.dev/joined"  # annotation of a StatefulSet: Placement.joined
ROOT_USER: Final = "root"
SHARED: Final = "shared"
DEDICATED: Final = "dedicated"
THREE: Final = 3  # managers from which on a member may be lost
_STATE_KEY: Final = "initial-cluster-state"
_PEERS_KEY: Final = "initial-cluster"
_VARIABLES: Final = {"ETCD_INITIAL_CLUSTER_STATE": _STATE_KEY, "ETCD_INITIAL_CLUSTER": _PEERS_KEY}
_DIRECTORY: Final = f"{layout.STATE}/datastores"
_MOUNT: Final = "/datastores"


@dataclass(frozen=True)
class Placement:
    """Where a member is laid out. `joined`: etcd's id of it, in hex, when it replaces another; empty for a founder."""

    host: str
    joined: str = ""


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


def own(cluster: str) -> str:
    """The Datastore that a cluster has to itself, where it has one. It goes along when the cluster moves."""
    return f"cluster-{cluster}"


def shared(region: str) -> str:
    """The Datastore of all clusters that have no other, and whose home is a region; empty: that have no home either."""
    return f"{SHARED}-{region}" if region else SHARED


def name_for(cluster: str, wanted: str, region: str) -> str:
    """The Datastore that a cluster means by its spec.datastore and its home; an empty `region`: it has none."""
    return own(cluster) if wanted == DEDICATED else shared(region) if wanted == SHARED else wanted


def meant_by(cluster: str, spec: Mapping[str, Any]) -> str:
    """The same by the spec of the cluster's resource."""
    home = (spec.get("controlPlane") or {}).get("region") or ""
    return name_for(cluster, spec.get("datastore", SHARED), home)


def resource(name: str, *, replicas: int, settings: PlatformSettings, owner: str = "", region: str = "") -> Document:
    """A Datastore of our own making: of three members where a loss should not matter and three managers can carry them.

    `replicas`: of the control plane that it serves; `owner`: the cluster that has it to itself.
    """
    managers = settings.regions[region].managers if region else settings.managers
    members = THREE if replicas > 1 and managers >= THREE else 1
    return {
        "apiVersion": "moorage.dev/v1",
        "kind": "Datastore",
        "metadata": {"name": name, "labels": {OWNER_LABEL: owner} if owner else {}},
        "spec": {"members": members, **({"region": region} if region else {})},
    }


def owner_of(labels: Mapping[str, str] | None) -> str:
    """The cluster that has the Datastore with these labels to itself; empty: none."""
    return (labels or {}).get(OWNER_LABEL, "")


def is_ours(name: str, labels: Mapping[str, str] | None, region: str | None) -> bool:
    """Whether a Datastore is of our own making: then it has as many members as there are managers for."""
    return name == shared(region or "") or bool(owner_of(labels))


def member_names(name: str, members: int) -> tuple[str, ...]:
    """The members of the datastore `name`. A name stays when the member behind it is replaced, as its address does."""
    return tuple(f"{name}-{index}" for index in range(members))


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
    placement: Placement,
    address: str,
    initial_cluster: str,
    quota_bytes: int,
    started: bool,
    settings: PlatformSettings,
    authority: pki.CertificateAuthority,
    seen: Mapping[str, Secret],
) -> list[Document]:
    """Secret and StatefulSet of a member; `started`: etcd has heard of it.

    `address`: of its Service; `initial_cluster`: the members that etcd knows, as etcd.initial_cluster has it.

    A member that lost its data must not come back as if it had only been away: it might have promised what it no longer
    knows. So only the first start of one that joins says that its peers exist; later ones make etcd refuse it.
    """
    rendered = etcd.render(
        etcd.Member(
            name=member,
            address=address,
            peers={},
            token=f"{settings.platform}-{name}",
            joining=None,
            quota_bytes=quota_bytes,
            # Peers see a pod's own address, which no certificate can know; the authority is this etcd's alone.
            checks_peer_names=False,
        )
    )
    names = {f"{etcd.CONFIG}/{n.removesuffix('.crt')}": t.reveal() for n, t in seen.items() if n.endswith(".crt")}
    issued = issue.issue(rendered.certificates, {"etcd": authority}, names)
    state = "existing" if placement.joined and not started else "new"
    files: dict[str, str | Secret] = {"ca.crt": authority.trusted, _STATE_KEY: state, _PEERS_KEY: initial_cluster}
    for stem in issued.kept:
        leaf = stem.removeprefix(f"{etcd.CONFIG}/")
        files |= {f"{leaf}.crt": seen[f"{leaf}.crt"], f"{leaf}.key": seen[f"{leaf}.key"]}
    files |= documents.credential_files(etcd.CONFIG, issued.new)
    return [
        documents.secret(member, NAMESPACE, files, labels={LABEL: name}),
        _stateful_set(name, member, placement, rendered, settings),
    ]


def has_started(seen: Mapping[str, Secret]) -> bool:
    """Whether etcd had heard of a member when its Secret, with these entries, was last written."""
    return _STATE_KEY in seen and seen[_STATE_KEY].reveal() == "new"


def told_cluster(seen: Mapping[str, Secret]) -> str:
    """The `initial_cluster` that a member's Secret was written with; empty where there is none."""
    return seen[_PEERS_KEY].reveal() if _PEERS_KEY in seen else ""


def tenants_role(tenant: Tenant) -> Sequence[Sequence[str]]:
    """etcdctl's commands that give a cluster its user and role; each may have been done before."""
    return (
        ("role", "add", tenant.user),
        ("role", "grant-permission", tenant.user, "readwrite", tenant.prefix, "--prefix"),
        ("user", "add", tenant.user, "--no-password"),
        ("user", "grant-role", tenant.user, tenant.user),
    )


def locking(tenant: Tenant) -> Sequence[Sequence[str]]:
    """etcdctl's command that takes the right to its own keys from a cluster; it may have been done before."""
    return (("role", "revoke-permission", tenant.user, tenant.prefix, "--prefix"),)


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


def removal_pod(name: str, member: str, host: str, settings: PlatformSettings) -> Document:
    """A pod that removes a member's data from its host, and ends."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{member}-removal", "namespace": NAMESPACE, "labels": {REMOVAL_LABEL: name}},
        "spec": {
            **pinned.on(host),
            "restartPolicy": "OnFailure",
            "containers": [
                pinned.container(
                    "removal",
                    pinned.host_command("remove", f"{_MOUNT}/{member}"),
                    settings,
                    mounts=documents.mounts([("datastores", _MOUNT)], read_only=False),
                )
            ],
            "volumes": [
                addons.release_volume(settings.bundle),
                {"name": "datastores", "hostPath": {"path": _DIRECTORY, "type": "DirectoryOrCreate"}},
            ],
        },
    }


def member_directory(member: str) -> str:
    """The directory of a member on its host: a founder's data, and those of its successors each in one below."""
    return f"{_DIRECTORY}/{member}"


def _stateful_set(
    name: str, member: str, placement: Placement, rendered: Rendered, settings: PlatformSettings
) -> Document:
    mine = {LABEL: name, MEMBER_LABEL: member}
    (process,) = rendered.processes
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": member,
            "namespace": NAMESPACE,
            "labels": mine,
            "annotations": {JOINED: placement.joined},
        },
        "spec": {
            "replicas": 1,
            "serviceName": member,
            # The controller restarts members, one at a time and never without a quorum.
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": mine},
            "template": {"metadata": {"labels": mine}, "spec": _member_pod(member, placement, process.argv, settings)},
        },
    }


def _member_pod(member: str, placement: Placement, argv: Sequence[str], settings: PlatformSettings) -> dict[str, Any]:
    directory = member_directory(member)
    etcd_container = pinned.container(
        "etcd",
        argv,
        settings,
        mounts=[
            *documents.mounts([("config", etcd.CONFIG)]),
            *documents.mounts([("data", etcd.DATA)], read_only=False),
        ],
    )
    etcd_container |= {
        # What may change while it runs, and is looked at only at a start without data.
        "env": [
            {"name": variable, "valueFrom": {"secretKeyRef": {"name": member, "key": key}}}
            for variable, key in _VARIABLES.items()
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "readinessProbe": {"tcpSocket": {"port": etcd.CLIENT_PORT}, "periodSeconds": 2},
    }
    volumes = [
        addons.release_volume(settings.bundle),
        {"name": "config", "secret": {"secretName": member, "defaultMode": 0o400}},
        {
            "name": "data",
            "hostPath": {"path": f"{directory}/{placement.joined}".rstrip("/"), "type": "DirectoryOrCreate"},
        },
    ]
    pod = {
        **pinned.on(placement.host),
        "terminationGracePeriodSeconds": etcd.STOPS_WITHIN_S,
        "containers": [etcd_container],
        "volumes": volumes,
    }
    if placement.joined:
        # What its predecessors left here.
        volumes.append({"name": "member", "hostPath": {"path": directory, "type": "DirectoryOrCreate"}})
        own = documents.mounts([("member", f"{_MOUNT}/{member}")], read_only=False)
        remove = pinned.host_command("remove", "--except", placement.joined, f"{_MOUNT}/{member}")
        pod["initContainers"] = [pinned.container("tidy", remove, settings, mounts=own)]
    return pod

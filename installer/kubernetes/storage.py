"""Volumes of a tenant's cluster: directories of hosts, the default StorageClass, and the pods that work on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from installer.core import layout
from installer.kubernetes import addons, documents, hosted, pinned
from installer.kubernetes.documents import Document
from installer.kubernetes.settings import PlatformSettings

CLASS: Final = "moorage"
PROVISIONER: Final = "moorage.dev/host-path"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"  # how Kubernetes knows a volume that is not its own
FINALIZER: Final = "moorage.dev/volume"  # a volume does not go before its data has
NAMESPACE: Final = "moorage-volumes"  # of the manager, for the pods that make and remove
VOLUME_LABEL: Final = "moorage.dev/volume"
HOST_LABEL: Final = "moorage.dev/host"  # on nodes of clusters: the host that they are on
CLEARS: Final = "clear-"  # how the names of pods begin that remove all of a cluster
_ALL: Final = f"{layout.STATE}/volumes"
_MOUNT: Final = "/volumes"
# Files belong to whomever pods run as, and may be closed to all others.
_REMOVES: Final = ("DAC_OVERRIDE", "FOWNER")


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume that is to be, for one claim."""

    name: str
    host: str
    claim: Document  # a reference to it
    size: str
    access_modes: tuple[str, ...]
    storage_class: str
    reclaim_policy: str
    mount_options: tuple[str, ...] = ()


def directory(cluster: str) -> str:
    """Where all volumes of a cluster are, on each host and, since node pods mount it, on each of its nodes."""
    return f"{_ALL}/{cluster}"


def storage_class() -> Document:
    """The class of claims that name none. A volume is where its first pod is, so a claim waits for that one."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": False,
    }


def volume(cluster: str, wanted: Volume) -> Document:
    """The PersistentVolume; of type local, since the kubelet then refuses a directory that is not there."""
    term = {"key": HOST_LABEL, "operator": "In", "values": [wanted.host]}
    spec: Document = {
        "accessModes": list(wanted.access_modes),
        "capacity": {"storage": wanted.size},
        "claimRef": wanted.claim,
        "local": {"path": f"{directory(cluster)}/{wanted.name}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
        "persistentVolumeReclaimPolicy": wanted.reclaim_policy,
        "storageClassName": wanted.storage_class,
        "volumeMode": "Filesystem",
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": wanted.name,
            "annotations": {PROVISIONED_BY: PROVISIONER},
            "finalizers": [FINALIZER],
        },
        "spec": spec | ({"mountOptions": list(wanted.mount_options)} if wanted.mount_options else {}),
    }


def namespace_document() -> Document:
    """The namespace of the pods below."""
    enforce = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforce}}


def maker_name(name: str) -> str:
    """The pod that makes a volume's directory. Until the volume is there, it tells that the directory may be."""
    return f"make-{name}"


def remover_name(name: str) -> str:
    """The pod that removes a volume's directory."""
    return f"remove-{name}"


def maker(cluster: str, name: str, host: str, settings: PlatformSettings) -> Document:
    """A pod that makes a volume's directory on a host, and ends."""
    pod = _pod(maker_name(name), host, ("volume", f"{_MOUNT}/{name}"), directory(cluster), settings)
    return _labelled(pod, cluster, name)


def remover(cluster: str, name: str, host: str, settings: PlatformSettings) -> Document:
    """A pod that removes a volume's directory from a host, and ends."""
    pod = _pod(remover_name(name), host, ("remove", f"{_MOUNT}/{name}"), directory(cluster), settings)
    return _labelled(pod, cluster, name)


def clearer(cluster: str, host: str, settings: PlatformSettings) -> Document:
    """A pod that removes all volumes of a cluster from a host, and ends."""
    pod = _pod(f"{CLEARS}{cluster}.{host}", host, ("remove", f"{_MOUNT}/{cluster}"), _ALL, settings)
    return _labelled(pod, cluster)


def node_mount(cluster: str) -> tuple[Document, Document]:
    """How a node pod has the volumes of its cluster on its host: the volume and its mount.

    Nothing propagates: what its kubelet mounts from there is its own affair, and ends with the pod.
    """
    path = directory(cluster)
    found = {"name": "volumes", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    return found, documents.mounts([("volumes", path)], read_only=False)[0]


def _labelled(pod: Document, cluster: str, name: str = "") -> Document:
    """With its cluster's label: changes of such pods wake whoever looks after the cluster."""
    pod["metadata"]["labels"] = {hosted.CLUSTER_LABEL: cluster, **({VOLUME_LABEL: name} if name else {})}
    return pod


def _pod(name: str, host: str, words: tuple[str, ...], path: str, settings: PlatformSettings) -> Document:
    """A pod that runs `moorage-host WORDS` where the directory `path` of a host is at _MOUNT."""
    made = pinned.container(
        words[0],
        pinned.host_command(*words),
        settings,
        mounts=documents.mounts([("volumes", _MOUNT)], read_only=False),
        capabilities=_REMOVES if words[0] == "remove" else (),
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            **pinned.on(host),
            "restartPolicy": "OnFailure",
            "containers": [made],
            "volumes": [
                addons.NODE_RELEASE,
                {"name": "volumes", "hostPath": {"path": path, "type": "DirectoryOrCreate"}},
            ],
        },
    }

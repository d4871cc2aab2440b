"""What to do about the volumes of a cluster, decided from claims, volumes and the pods that make and remove."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from installer.kubernetes import storage

# Set by Kubernetes: https://kubernetes.io/docs/reference/labels-annotations-taints/
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
_ASKED: Final = "volume.kubernetes.io/storage-provisioner"
_NAME: Final = re.compile(r"pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MODES: Final = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
_ON_ONE_HOST: Final = "a volume is a directory on one host's disk"
Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A claim that waits for this volume."""

    volume: storage.Volume


@dataclass(frozen=True)
class Refused:
    """A claim that gets none, and why."""

    why: str


@dataclass(frozen=True)
class Unselected:
    """A claim whose node is gone: the scheduler must choose again."""

    node: str


Answer = Wanted | Refused | Unselected | None


@dataclass(frozen=True)
class Kept:
    """A volume of ours. `released`: nobody has it any more; `retained`: its data stays even then."""

    host: str
    reference: Resource = field(default_factory=dict, compare=False)
    released: bool = False
    retained: bool = False


@dataclass(frozen=True)
class Worker:
    """A pod that makes or removes a directory; `done`: it has. `trouble`: why it does not come to an end."""

    host: str
    done: bool = False
    trouble: str = ""

    def held_up(self, hosts: Mapping[str, bool]) -> str:
        """Why it does not come to an end, in words; empty: it may any moment. `hosts`: whether each is ready."""
        if self.done:
            return ""
        return self.trouble if hosts.get(self.host) else "that host is not ready"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that there is of one volume."""

    name: str
    wanted_on: str = ""  # the host on which a claim waits for it; empty: none does
    volume: Kept | None = None
    maker: Worker | None = None
    remover: Worker | None = None

    def working(self, hosts: Mapping[str, bool]) -> int:
        """How many pods are at it now; one on a host that is away is not."""
        return sum(not one.done and hosts.get(one.host, False) for one in (self.maker, self.remover) if one)


@dataclass(frozen=True)
class Make:
    """Have the directory made."""

    host: str


@dataclass(frozen=True)
class Provide:
    """Make the volume: its directory is there."""


@dataclass(frozen=True)
class Remove:
    """Have the directory removed."""

    host: str


@dataclass(frozen=True)
class Drop:
    """Let the volume go."""


@dataclass(frozen=True)
class Tidy:
    """Delete the pods that have done their work: first the maker, which tells that there may be a directory."""


Action = Make | Provide | Remove | Drop | Tidy


def decide(seen: Seen, hosts: Mapping[str, bool]) -> Action | None:
    """The next step for one volume; None: there is nothing to do, or a pod is still at it.

    `hosts`: those of the manager. What was on one that is gone for good has gone with it. Of each directory that may
    exist, either a volume tells or the pod that makes it; so whoever is killed between two steps leaves nothing behind.
    """
    if seen.volume is None:
        return _without(seen, hosts)
    if not seen.volume.released:
        return Tidy() if seen.maker or seen.remover else None
    removed = seen.remover is not None and seen.remover.done
    if seen.volume.retained or seen.volume.host not in hosts or removed:
        return Drop()
    return None if seen.remover else Remove(seen.volume.host)


def _without(seen: Seen, hosts: Mapping[str, bool]) -> Action | None:
    """The next step where there is no volume: not yet, or not any more."""
    maker, remover = seen.maker, seen.remover
    if remover is not None:
        return Tidy() if remover.done or remover.host not in hosts else None
    if maker is None:
        return Make(seen.wanted_on) if seen.wanted_on else None
    if maker.host not in hosts:
        return Tidy()
    if not maker.done:
        return None
    return Provide() if seen.wanted_on == maker.host else Remove(maker.host)


def waits(claim: Resource) -> bool:
    """Whether a claim is one that our provisioner is to serve."""
    meta = claim["metadata"]
    ours = (meta.get("annotations") or {}).get(_ASKED) == storage.PROVISIONER
    return ours and not claim["spec"].get("volumeName") and not meta.get("deletionTimestamp")


def answer(claim: Resource, classes: Mapping[str, Resource], hosts: Mapping[str, str], *, enabled: bool) -> Answer:
    """What a claim that waits is to get; None: nothing yet. `hosts`: on which each node of the cluster is."""
    meta, spec = claim["metadata"], claim["spec"]
    found = classes.get(spec.get("storageClassName") or "")
    if found is None:
        return Refused(f"there is no StorageClass {spec.get('storageClassName')}")
    if why := _refusal(spec, found, enabled=enabled):
        return Refused(why)
    node = (meta.get("annotations") or {}).get(SELECTED_NODE, "")
    if not node:
        return None
    if node not in hosts:
        return Unselected(node)
    return Wanted(_volume(meta, spec, found, hosts[node])) if hosts[node] else None


def _refusal(spec: Resource, found: Resource, *, enabled: bool) -> str:
    other = " and ".join(sorted(set(spec.get("accessModes") or ()) - _MODES))
    early = found.get("volumeBindingMode") != "WaitForFirstConsumer"
    copies = spec.get("dataSource") or spec.get("dataSourceRef")
    reasons = {
        "spec.addons.storage of this cluster is false": not enabled,
        f"{other} cannot be: {_ON_ONE_HOST}; ask for ReadWriteOnce or ReadWriteOncePod": other,
        f"volumeMode Block cannot be: {_ON_ONE_HOST}; ask for Filesystem": spec.get("volumeMode") == "Block",
        "a volume made for a claim has no labels to select: leave spec.selector out": spec.get("selector"),
        "there are no copies of volumes: leave spec.dataSource out": copies,
        f"{_ON_ONE_HOST}, its first pod's: the StorageClass needs volumeBindingMode WaitForFirstConsumer": early,
        f"{storage.PROVISIONER} knows no parameters: leave those of the StorageClass out": found.get("parameters"),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _volume(meta: Resource, spec: Resource, found: Resource, host: str) -> storage.Volume:
    return storage.Volume(
        name=f"pvc-{meta['uid']}",
        host=host,
        claim={
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
        size=str(spec["resources"]["requests"]["storage"]),
        access_modes=tuple(spec["accessModes"]),
        storage_class=spec["storageClassName"],
        reclaim_policy=found.get("reclaimPolicy") or "Delete",
        mount_options=tuple(found.get("mountOptions") or ()),
    )


def kept(volume: Resource) -> tuple[str, Kept] | None:
    """The name and state of a PersistentVolume, None for one that is not ours. Anybody in the cluster may write one."""
    meta, spec, status = volume["metadata"], volume["spec"], volume.get("status") or {}
    annotations = meta.get("annotations") or {}
    if annotations.get(storage.PROVISIONED_BY) != storage.PROVISIONER or not _NAME.fullmatch(meta["name"]):
        return None
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    values = [
        value
        for term in required.get("nodeSelectorTerms") or ()
        for expression in term.get("matchExpressions") or ()
        if expression["key"] == storage.HOST_LABEL
        for value in expression.get("values") or ()
    ]
    if len(values) != 1:
        return None
    retained = spec.get("persistentVolumeReclaimPolicy") != "Delete"
    phase = status.get("phase")
    deleted = bool(meta.get("deletionTimestamp")) and phase != "Bound"
    released = deleted or (phase in {"Released", "Failed"} and not retained)
    return meta["name"], Kept(values[0], meta, released=released, retained=retained)


def worker(pod: Resource) -> Worker:
    """A pod of storage.maker or storage.remover."""
    spec, status = pod["spec"], pod.get("status") or {}
    trouble = ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            trouble = condition.get("message", "")
    for container in status.get("containerStatuses") or ():
        ended = (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            trouble = (ended.get("message") or f"it ended with {ended['exitCode']}").strip()
    return Worker(
        spec["nodeSelector"]["kubernetes.io/hostname"], done=status.get("phase") == "Succeeded", trouble=trouble
    )

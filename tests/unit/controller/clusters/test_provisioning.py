"""What is done about volumes, by claim, volume and pods; and that nothing is left behind whatever happens meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from installer.controller.clusters import provisioning
from installer.controller.clusters.provisioning import (
    Action,
    Answer,
    Drop,
    Kept,
    Make,
    Provide,
    Refused,
    Remove,
    Seen,
    Tidy,
    Unselected,
    Wanted,
    Worker,
)
from installer.kubernetes import storage

HOSTS = {"a": True, "b": True, "away": False}
UID = "0f0f0f0f-1111-2222-3333-444444444444"
NAME = f"pvc-{UID}"


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        ({}, None),
        ({"wanted_on": "a"}, Make("a")),
        ({"wanted_on": "a", "maker": Worker("a")}, None),
        ({"wanted_on": "a", "maker": Worker("a", done=True)}, Provide()),
        # The scheduler chose again, or nobody wants it any more.
        ({"wanted_on": "b", "maker": Worker("a")}, None),
        ({"wanted_on": "b", "maker": Worker("a", done=True)}, Remove("a")),
        ({"maker": Worker("a", done=True)}, Remove("a")),
        ({"maker": Worker("away")}, None),
        ({"maker": Worker("gone")}, Tidy()),
        ({"maker": Worker("a", done=True), "remover": Worker("a")}, None),
        ({"maker": Worker("a", done=True), "remover": Worker("a", done=True)}, Tidy()),
        # There is a volume.
        ({"volume": Kept("a")}, None),
        ({"volume": Kept("a"), "maker": Worker("a", done=True)}, Tidy()),
        ({"volume": Kept("a", released=True)}, Remove("a")),
        ({"volume": Kept("a", released=True), "remover": Worker("a")}, None),
        ({"volume": Kept("a", released=True), "remover": Worker("a", done=True)}, Drop()),
        ({"volume": Kept("a", released=True, retained=True)}, Drop()),
        ({"volume": Kept("away", released=True)}, Remove("away")),
        ({"volume": Kept("gone", released=True)}, Drop()),
        ({"remover": Worker("a", done=True)}, Tidy()),
        ({"remover": Worker("gone")}, Tidy()),
    ],
)
def test_the_next_step(seen: dict[str, Any], action: Action | None) -> None:
    """One at a time; what is on a host that is away waits for it, what was on one that is gone is gone."""
    assert provisioning.decide(Seen(name=NAME, **seen), HOSTS) == action


class World:
    """One volume: what is on the disks, and all that a controller sees of it. Pods do their work at once."""

    def __init__(self, wanted_on: str) -> None:
        self.wanted_on = wanted_on
        self.directories: set[str] = set()
        self.volume: Kept | None = None
        self.maker: Worker | None = None
        self.remover: Worker | None = None

    def parts_of(self, action: Action) -> list[tuple[str, Any]]:
        """The single acts of a step; a controller may be killed after each."""
        match action:
            case Make(host):
                return [("directories", self.directories | {host}), ("maker", Worker(host, done=True))]
            case Remove(host):
                return [("directories", self.directories - {host}), ("remover", Worker(host, done=True))]
            case Provide():
                return [("volume", Kept(self.wanted_on))]
            case Drop():
                return [("volume", None)]
            case Tidy():
                return [("maker", None), ("remover", None)]

    def step(self, *, whole: bool = True) -> bool:
        """One pass, or only the first act of one."""
        wanted = self.wanted_on if self.volume is None else ""
        seen = Seen(name=NAME, wanted_on=wanted, volume=self.volume, maker=self.maker, remover=self.remover)
        action = provisioning.decide(seen, HOSTS)
        if action is None:
            return False
        parts = self.parts_of(action)
        # A pod that was asked for does its work, whoever is killed then.
        for name, value in parts if whole or isinstance(action, Make | Remove) else parts[:1]:
            setattr(self, name, value)
        return True

    def settle(self) -> None:
        for _ in range(20):
            if not self.step():
                return
        raise AssertionError("it never ends")


@pytest.mark.parametrize("killed_at", range(8))
@pytest.mark.parametrize("changed_at", range(8))
@pytest.mark.parametrize("then", ["", "b"])
def test_whatever_happens_there_is_a_directory_for_a_volume_and_no_other(
    killed_at: int, changed_at: int, then: str
) -> None:
    """The claim goes, or another host is chosen, after any step; the controller is killed within any."""
    world = World("a")
    for number in range(8):
        if number == changed_at:
            world.wanted_on = then
            if world.volume and not then:
                world.volume = Kept(world.volume.host, released=True)
        world.step(whole=number != killed_at)
    world.settle()
    assert world.directories == ({world.volume.host} if world.volume else set())
    assert bool(world.volume) == bool(then)
    assert world.maker is None and world.remover is None


def claim(**spec: Any) -> dict[str, Any]:
    """A claim as the API hands it out once the scheduler has chosen."""
    annotations = {
        "volume.kubernetes.io/storage-provisioner": storage.PROVISIONER,
        provisioning.SELECTED_NODE: "general-1",
    }
    asked = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "moorage",
        "resources": {"requests": {"storage": "1Gi"}},
        **spec,
    }
    meta = {"name": "data", "namespace": "default", "uid": UID, "resourceVersion": "7", "annotations": annotations}
    return {"metadata": meta, "spec": asked}


CLASSES: dict[str, Any] = {
    "moorage": storage.storage_class(),
    "mine": {**storage.storage_class(), "reclaimPolicy": "Retain", "mountOptions": ["noexec"]},
    "early": {**storage.storage_class(), "volumeBindingMode": "Immediate"},
    "strange": {**storage.storage_class(), "parameters": {"size": "large"}},
}


def answer(found: dict[str, Any], *, enabled: bool = True) -> Answer:
    return provisioning.answer(found, CLASSES, {"general-1": "worker-1", "new": ""}, enabled=enabled)


def test_a_claim_gets_what_it_asks_for() -> None:
    """Of its size and class, on the host of the node that was chosen."""
    found = answer(claim(storageClassName="mine", accessModes=["ReadWriteOncePod"]))
    assert isinstance(found, Wanted)
    volume = found.volume
    assert (volume.name, volume.host, volume.size) == (NAME, "worker-1", "1Gi")
    assert (volume.reclaim_policy, volume.access_modes) == ("Retain", ("ReadWriteOncePod",))
    assert volume.mount_options == ("noexec",)
    assert (volume.claim["namespace"], volume.claim["name"], volume.claim["uid"]) == ("default", "data", UID)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"accessModes": ["ReadWriteMany"]}, "ReadWriteMany cannot be: a volume is a directory on one host's disk"),
        ({"accessModes": ["ReadWriteOnce", "ReadOnlyMany"]}, "ReadOnlyMany cannot be"),
        ({"volumeMode": "Block"}, "Block cannot be"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "leave spec.selector out"),
        ({"dataSource": {"kind": "VolumeSnapshot", "name": "a"}}, "leave spec.dataSource out"),
        ({"storageClassName": "early"}, "WaitForFirstConsumer"),
        ({"storageClassName": "strange"}, "no parameters"),
        ({"storageClassName": "gone"}, "there is no StorageClass gone"),
    ],
)
def test_a_claim_that_cannot_be_is_told_why(spec: dict[str, Any], why: str) -> None:
    """A directory on one host's disk is all there is."""
    found = answer(claim(**spec))
    assert isinstance(found, Refused) and why in found.why


def test_a_cluster_without_storage_makes_none() -> None:
    """Even by a class that somebody made."""
    assert answer(claim(storageClassName="mine"), enabled=False) == Refused(
        "spec.addons.storage of this cluster is false"
    )


def test_a_node_that_is_gone_is_chosen_again() -> None:
    """One whose pod has no host yet is waited for, as is the scheduler."""
    found = claim()
    found["metadata"]["annotations"][provisioning.SELECTED_NODE] = "general-0"
    assert answer(found) == Unselected("general-0")
    found["metadata"]["annotations"][provisioning.SELECTED_NODE] = "new"
    assert answer(found) is None
    del found["metadata"]["annotations"][provisioning.SELECTED_NODE]
    assert answer(found) is None


def test_who_waits_for_us() -> None:
    """A claim that names our provisioner, has no volume, and stays."""
    assert provisioning.waits(claim())
    assert not provisioning.waits(claim(volumeName="x"))
    leaving = claim()
    leaving["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
    assert not provisioning.waits(leaving)
    others = claim()
    others["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = "example.com/other"
    assert not provisioning.waits(others)


def volume(phase: str, *, policy: str = "Delete", deleted: bool = False, **meta: Any) -> dict[str, Any]:
    """A volume as the API hands it out."""
    wanted = storage.Volume(
        name=NAME,
        host="worker-1",
        claim={},
        size="1Gi",
        access_modes=("ReadWriteOnce",),
        storage_class="moorage",
        reclaim_policy=policy,
    )
    made = storage.volume("team-a", wanted)
    made["metadata"] |= {"uid": "1", **({"deletionTimestamp": "2026-05-04T03:02:01Z"} if deleted else {}), **meta}
    return {**made, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "released"),
    [
        (volume("Bound"), False),
        (volume("Bound", deleted=True), False),
        (volume("Available"), False),
        (volume("Released"), True),
        (volume("Failed"), True),
        (volume("Released", policy="Retain"), False),
        (volume("Released", policy="Retain", deleted=True), True),
        (volume("Available", deleted=True), True),
    ],
)
def test_when_a_volume_is_released(found: dict[str, Any], released: bool) -> None:
    """Never while a claim has it, nor one that is retained before somebody deletes it."""
    name, seen = provisioning.kept(found) or ("", Kept(""))
    assert (name, seen.host, seen.released) == (NAME, "worker-1", released)


def test_volumes_that_are_not_ours() -> None:
    """Whoever administers a cluster may write volumes of any name: none leads out of the cluster's directory."""
    assert provisioning.kept(volume("Released", annotations={})) is None
    assert provisioning.kept(volume("Released", name="data")) is None
    assert provisioning.kept(volume("Released", name=f"{NAME}.a")) is None
    nowhere = volume("Released")
    del nowhere["spec"]["nodeAffinity"]
    assert provisioning.kept(nowhere) is None


def test_a_pod_that_does_not_come_to_an_end_says_why() -> None:
    """In the scheduler's words, or its own last ones; one on a host that is away is not asked."""
    spec = {"nodeSelector": {"kubernetes.io/hostname": "a"}}
    ended = {"lastState": {"terminated": {"exitCode": 1, "message": "no space left\n"}}}
    failed = provisioning.worker({"spec": spec, "status": {"phase": "Running", "containerStatuses": [ended]}})
    assert failed == Worker("a", trouble="no space left")
    assert failed.held_up(HOSTS) == "no space left"
    assert Worker("away").held_up(HOSTS) == "that host is not ready"
    assert provisioning.worker({"spec": spec, "status": {"phase": "Succeeded"}}).done
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "no node fits"}
    assert provisioning.worker({"spec": spec, "status": {"conditions": [unscheduled]}}).trouble == "no node fits"

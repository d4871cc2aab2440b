"""Another size or version for a cluster: what its resource is to say then, and whether it got there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from installer.core.clock import SystemClock
from installer.core.errors import InfrastructureError, KubernetesError
from installer.spec.cluster import Cluster
from installer.workflows import cluster_info, clusters
from installer.workflows.clusters import scaled
from installer.workflows.session import Session

ONE = {"name": "general", "count": 2, "labels": {"a": "b"}}
TWO = {"name": "gpu", "count": 1}


def test_only_the_number_is_another() -> None:
    """Of the pool that is meant; and of the control plane."""
    spec = {"version": "1.36.3", "pools": [ONE, TWO]}
    assert scaled(spec, "team-a", pool="gpu", nodes=4) == {**spec, "pools": [ONE, {**TWO, "count": 4}]}
    assert scaled(spec, "team-a", replicas=3) == {**spec, "controlPlane": {"replicas": 3}}
    assert scaled({"pools": [ONE]}, "team-a", nodes=0)["pools"] == [{**ONE, "count": 0}]


@pytest.mark.parametrize(
    ("pools", "pool", "said"),
    [
        ([ONE, TWO], "", "cluster team-a has 2 pools"),
        ([ONE, TWO], "cpu", "there is no pool cpu in cluster team-a"),
        ([], "", "cluster team-a has 0 pools"),
    ],
)
def test_it_must_be_clear_which_pool_is_meant(pools: list[dict[str, Any]], pool: str, said: str) -> None:
    """The hint names those there are."""
    with pytest.raises(KubernetesError, match=said) as caught:
        scaled({"pools": pools}, "team-a", pool=pool, nodes=3)
    assert all(one["name"] in caught.value.hint for one in pools)


class World:
    """One cluster at 1.36.3 that was told to go to 1.37.2."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, failed: bool) -> None:
        unready = {"status": "False", "reason": "UpgradeFailed" if failed else "Updating", "message": "it crashes"}
        self.resource: dict[str, Any] = {
            "metadata": {"name": "team-a", "generation": 2},
            "spec": {"version": "1.37.2", "pools": []},
            "status": {
                "phase": unready["reason"],
                "observedGeneration": 2,
                "controlPlane": {"version": "1.36.3"},
                "conditions": [{"type": "VersionReached", **unready}, {"type": "Ready", **unready}],
            },
        }
        self.written: list[str] = []
        monkeypatch.setattr(clusters, "find", lambda session, name: self.resource)
        monkeypatch.setattr(clusters, "apply", lambda session, cluster: self.written.append(cluster.spec.version))


NOBODY = cast(Session, None)


@pytest.mark.parametrize(
    ("failed", "to", "written"),
    [
        (False, "1.37.2", ["1.37.2"]),
        (True, "1.37.2", ["1.36.3", "1.37.2"]),
        (True, "1.36.3", ["1.36.3"]),
    ],
)
def test_the_same_version_once_more_is_another_attempt(
    monkeypatch: pytest.MonkeyPatch, failed: bool, to: str, written: list[str]
) -> None:
    """The controller makes the same attempt once; a resource that was another in between asks for another."""
    world = World(monkeypatch, failed=failed)
    cluster = clusters.upgrade(NOBODY, "team-a", to)
    assert world.written == written
    assert cluster.spec.version == to


def test_it_is_another_attempt_also_while_the_last_one_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its phase is Updating until the old version is whole again."""
    world = World(monkeypatch, failed=True)
    world.resource["status"]["phase"] = "Updating"
    clusters.upgrade(NOBODY, "team-a", "1.37.2")
    assert world.written == ["1.36.3", "1.37.2"]


def test_nobody_waits_for_what_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told at once."""
    world = World(monkeypatch, failed=True)
    cluster = Cluster.model_validate({"apiVersion": "moorage.dev/v1", "kind": "Cluster", **_known(world.resource)})
    with pytest.raises(KubernetesError, match="not upgraded: it crashes"):
        clusters.await_ready(NOBODY, cluster)


def test_nobody_waits_for_hosts_that_are_yet_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` joins them after that."""
    world = World(monkeypatch, failed=False)
    found = {"ControlPlaneReady": "True", "DedicatedReady": "False", "Ready": "False"}
    world.resource["status"]["conditions"] = [{"type": kind, "status": told} for kind, told in found.items()]
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: pytest.fail("waits"))
    cluster = Cluster.model_validate({"apiVersion": "moorage.dev/v1", "kind": "Cluster", **_known(world.resource)})
    assert clusters.await_ready(NOBODY, cluster).serves


def _known(resource: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": resource["metadata"]["name"]}, "spec": resource["spec"]}


def test_managers_that_are_named_and_not_there_yet() -> None:
    """Others of the same platform may serve; this specification does not know them."""
    roots = SimpleNamespace(authorities={"kubernetes": None})
    session: Any = SimpleNamespace(roots=roots, manager_urls=(), platform=SimpleNamespace(name="harbor"))
    with pytest.raises(InfrastructureError, match=r"none of the managers .* is a host of harbor yet"):
        clusters.kubeconfig(session, "manager")


def _following(name: str, reason: str, message: str) -> cluster_info.ClusterInfo:
    condition = {"type": "ControlPlaneReady", "status": "False", "reason": reason, "message": message}
    return cluster_info.info({"metadata": {"name": name}, "status": {"phase": "Updating", "conditions": [condition]}})


@pytest.mark.parametrize(
    ("busy", "queued", "said"),
    [
        (1, 0, "9 of 10 have followed; b0: ControlPlaneReady: its pods start"),
        (1, 1, "8 of 10 have followed; b0: ControlPlaneReady: its pods start; 1 waits for its turn"),
        (0, 4, "6 of 10 have followed; 4 wait for their turn"),
    ],
)
def test_how_far_clusters_are_that_take_turns(busy: int, queued: int, said: str) -> None:
    """Those that are at it by name; those that wait as a number."""
    late = [_following(f"b{number}", "Updating", "its pods start") for number in range(busy)]
    late += [_following(f"q{number}", "Queued", "3 others come before") for number in range(queued)]
    done = [_following(f"d{number}", "Ready", "") for number in range(10 - len(late))]
    assert clusters.following([*done, *late], late) == said


def test_a_hundred_that_follow_are_not_all_named() -> None:
    """Five of them, and how many more."""
    late = [_following(f"b{number}", "Updating", "its pods start") for number in range(100)]
    assert clusters.following(late, late).startswith("0 of 100 have followed; b0: ")
    assert clusters.following(late, late).endswith("; and 95 more")

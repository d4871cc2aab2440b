"""A cluster's authorities follow each other in stages; no stage is entered while anything is behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from installer.controller.clusters import rotation
from installer.controller.clusters.authorities import fingerprint
from installer.controller.clusters.reconciler import ClusterReconciler, Look
from installer.controller.status import Condition, status
from installer.core.clock import SystemClock
from installer.core.secret import Secret
from installer.kubernetes import documents, hosted, kubeconfig
from installer.kubernetes import rotation as stages
from installer.kubernetes.roots import Roots, Stage
from tests.unit.controller.clusters.world import HOST_ADDRESS, NAMESPACE, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A cluster of two nodes that is well."""
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
    found = World(tmp_path, monkeypatch)
    found.keep(found.controller())
    return found


def _pass(world: World, controller: ClusterReconciler) -> Look:
    """One pass, and what it found in the status."""
    look = controller.reconcile(world.resource)
    assert look is not None
    world.resource["status"] = status(look.found, generation=1, before=world.resource["status"])
    return look


def _told(look: Look) -> Condition | None:
    return next((one for one in look.found.conditions if one.type == "AuthoritiesSettled"), None)


def _secret(world: World, name: str) -> dict[str, Secret]:
    return documents.entries(world.manager.get("Secret", NAMESPACE, name)["data"])


def test_stage_follows_stage(world: World) -> None:
    """Each is told as an event and in the status, until the cluster is ready with others."""
    before, controller = world.roots(), world.controller()
    world.ask(hosted.ROTATE, "2027")
    seen, events = [], []
    while not seen or seen[-1] is not Stage.SETTLED:
        look = _pass(world, controller)
        seen.append(world.roots().stage)
        events += [one.reason for one in look.happened]
        assert (_told(look) is None) == (seen[-1] is Stage.SETTLED)
        assert len(seen) < 20
    assert list(dict.fromkeys(seen)) == [Stage.TRUST, Stage.REISSUE, Stage.DROP, Stage.SETTLED]
    assert [one for one in events if one.startswith("Auth")] == ["AuthoritiesRotating"] * 3 + ["AuthoritiesRotated"]
    after = world.roots()
    for kind, authority in after.authorities.items():
        assert authority.trusted == authority.cert_pem != before.authorities[kind].cert_pem
    _pass(world, controller)
    assert world.resource["status"]["authority"] == fingerprint(after)
    assert world.resource["status"]["phase"] == "Ready"
    assert _pass(world, world.controller()).steady, "what was asked for is done"
    assert world.roots() == after


def test_everything_of_the_cluster_comes_along(world: World) -> None:
    """Its control plane, nodes, administrator, and what runs inside."""
    world.ask(hosted.ROTATE, "2027")
    names = {pod["metadata"]["name"] for pod in world.manager.of("Pod", NAMESPACE)}
    world.keep(world.controller())
    assert {pod["metadata"]["name"] for pod in world.manager.of("Pod", NAMESPACE)} == names, "nodes stay"
    trusted = world.roots().authorities["kubernetes"].trusted
    assert _secret(world, hosted.CONTROL_PLANE)["ca.crt"].reveal() == trusted
    assert kubeconfig.authority_of(_secret(world, hosted.ADMIN_KUBECONFIG)["kubeconfig"]) == trusted
    for name in names:
        assert _secret(world, name)["ca.crt"].reveal() == trusted
        assert _secret(world, name)["authorities"].reveal() == world.roots().marker
    dns = world.inside.get("Deployment", "kube-system", "coredns")["spec"]["template"]["metadata"]["annotations"]
    assert dns["moorage.dev/authorities"] == documents.digest(trusted)


def _node_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "authorities_of", lambda _: "")


def _not_published(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = world.inside.put

    def without(document: Any) -> Any:
        return document if document["kind"] == "ConfigMap" and "root-ca" in str(document) else put(document)

    monkeypatch.setattr(world.inside, "put", without)


def _dns_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = {"name": "coredns-1", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    world.inside.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}})


def _host_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is a node as a whole: the controller has no way there."""
    told = rotation.authorities_of
    world.join("metal-1")
    monkeypatch.setattr(rotation, "authorities_of", lambda at: "" if at == HOST_ADDRESS else told(at))


def _plane_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new pods do not get ready."""
    kubernetes = world.manager._wrote

    def wrote(written: Any) -> None:
        kubernetes(written)
        if written["kind"] == "Deployment":
            written["status"]["updatedReplicas"] = 0

    monkeypatch.setattr(world.manager, "_wrote", wrote)


@pytest.mark.parametrize(
    ("behind", "told"),
    [
        (_node_behind, "follows"),
        (_not_published, "all namespaces"),
        (_dns_behind, "coredns-1 starts anew"),
        (_host_behind, "host metal-1 follows with `moorage up`"),
        (_plane_behind, "0 are up to date"),
    ],
)
def test_a_stage_waits_for_all(
    world: World, behind: Callable[[World, pytest.MonkeyPatch], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says for what; it goes on once that has come."""
    controller = world.controller()
    world.ask(hosted.ROTATE, "2027")
    _pass(world, controller)
    with monkeypatch.context() as until:
        behind(world, until)
        for _ in range(5):
            found = _told(_pass(world, controller))
            assert world.roots().stage is Stage.TRUST
            assert found is not None
            assert told in found.message
    world.inside.held.pop(("Pod", "kube-system", "coredns-1"), None)
    world.resource["metadata"]["generation"] += 1
    for key in [("Secret", NAMESPACE, hosted.CONTROL_PLANE), ("Deployment", NAMESPACE, hosted.CONTROL_PLANE)]:
        world.manager.put(world.manager.held[key])
    world.keep(world.controller())
    assert world.roots().stage is Stage.SETTLED


def test_nodes_do_not_follow_before_their_control_plane(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It signs what they ask for: were it behind, they would get certificates of the old authority."""
    _plane_behind(world, monkeypatch)
    names = {pod["metadata"]["name"] for pod in world.manager.of("Pod", NAMESPACE)}
    controller, before = world.controller(), world.roots()
    world.resource["metadata"]["annotations"] = {}
    later = stages.advanced(before)
    data = documents.secret(hosted.ROOTS, NAMESPACE, later.to_mapping())["data"]
    world.manager.get("Secret", NAMESPACE, hosted.ROOTS)["data"] = data
    _pass(world, controller)
    assert world.roots().stage is Stage.TRUST
    assert {_secret(world, name)["authorities"].reveal() for name in names} == {before.marker}


def test_a_rotation_is_held_where_both_are_trusted(world: World) -> None:
    """The cluster is ready meanwhile; it goes on once the annotation is gone."""
    controller = world.controller()
    world.ask(hosted.HOLD, "true")
    world.ask(hosted.ROTATE, "2027")
    world.keep(controller)
    assert world.roots().stage is Stage.TRUST
    assert world.resource["status"]["phase"] == "Ready"
    del world.resource["metadata"]["annotations"][hosted.HOLD]
    world.keep(controller)
    assert world.roots().stage is Stage.SETTLED


def test_a_new_cluster_does_not_rotate_for_what_its_resource_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that is made from another's, annotations included; another text later is followed."""
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)
    world = World(tmp_path, monkeypatch)
    world.ask(hosted.ROTATE, "2027")
    world.keep(world.controller())
    first = world.roots()
    world.keep(world.controller())
    assert world.roots() == first
    world.ask(hosted.ROTATE, "2028")
    world.keep(world.controller())
    assert fingerprint(world.roots()) != fingerprint(first)


@pytest.mark.parametrize("passes", range(8))
@pytest.mark.parametrize("restarted", [False, True])
def test_foreign_roots_are_refused_at_any_time(world: World, passes: int, *, restarted: bool) -> None:
    """Whatever stage they say they are in: none is written over, and what runs is left alone."""
    controller = world.controller()
    world.ask(hosted.ROTATE, "2027")
    for _ in range(passes):
        _pass(world, controller)
    foreign = Roots.generate("team-a")
    for _ in Stage:
        data = documents.secret(hosted.ROOTS, NAMESPACE, foreign.to_mapping())["data"]
        world.manager.get("Secret", NAMESPACE, hosted.ROOTS)["data"] = data
        before = world.manager.held.copy()
        look = (world.controller() if restarted else controller).reconcile(world.resource)
        assert look is not None
        assert [one.reason for one in look.found.conditions] == ["RootsReplaced"]
        assert world.roots() == foreign
        assert world.manager.held.keys() == before.keys()
        foreign = stages.advanced(foreign)


def test_roots_from_before_the_rotation_are_refused_once_others_issue(world: World) -> None:
    """Restored from a backup: what they sign is refused already, or will be."""
    controller, before = world.controller(), world.manager.get("Secret", NAMESPACE, hosted.ROOTS)["data"]
    world.ask(hosted.ROTATE, "2027")
    world.keep(controller)
    world.manager.get("Secret", NAMESPACE, hosted.ROOTS)["data"] = before
    for one in (controller, world.controller()):
        look = one.reconcile(world.resource)
        assert look is not None
        assert look.found.conditions[0].reason == "RootsReplaced"


@pytest.mark.parametrize("passes", range(1, 8))
def test_roots_that_are_deleted_meanwhile_come_back_as_they_were(world: World, passes: int) -> None:
    """Stage and all; and the rotation ends as it would have."""
    controller = world.controller()
    world.ask(hosted.ROTATE, "2027")
    for _ in range(passes):
        _pass(world, controller)
    before = world.roots()
    del world.manager.held["Secret", NAMESPACE, hosted.ROOTS]
    _pass(world, controller)
    assert world.roots().authorities["kubernetes"].cert_pem in before.authorities["kubernetes"].trusted
    world.keep(controller)
    assert world.roots().stage is Stage.SETTLED

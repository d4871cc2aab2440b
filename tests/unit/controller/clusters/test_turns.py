"""Changes of all control planes at once, which take turns; on APIs that are dictionaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightkube import codecs

from installer.controller.clusters import turns
from installer.kubernetes import hosted
from installer.kubernetes.cluster_status import QUEUED
from tests.fakes.kubernetes import Document, Killed
from tests.unit.controller.clusters.many import AT_ONCE, NEW, Many
from tests.unit.controller.clusters.world import NEWER

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Many:
    made = Many(NAMES, tmp_path, monkeypatch)
    made.slow = True
    return made


def test_a_new_bundle_reaches_as_many_at_once_as_may_start(many: Many) -> None:
    """The others serve as before and say for what they wait; each that is there lets the next go."""
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "b"}
    assert many.condition("e") == (
        QUEUED,
        "1 of 1 replicas are ready, as before; 4 other control planes start anew before it does",
    )
    assert {many.shown(name)["phase"] for name in "cde"} == {"Updating"}
    many.look_at_all()
    assert many.on(NEW) == {"a", "b"}
    many.arrive()
    many.look_at_all()
    assert many.on(NEW) == {"a", "b", "c", "d"}
    assert many.starting() == {"c", "d"}
    many.settle()
    assert many.on(NEW) == set(NAMES)
    assert {many.shown(name)["phase"] for name in NAMES} == {"Ready"}


def test_who_may_go_on_is_woken(many: Many) -> None:
    """Once another has come up, and no sooner."""
    woken: list[str] = []
    many.start(NEW)
    many.controllers["a"]._starts.wake = woken.append
    many.look_at_all()
    assert woken == []
    many.arrive()
    many.look("b")
    assert woken == ["c"]


def test_another_controller_counts_those_that_were_begun(many: Many) -> None:
    """Nothing of it is only in memory: whichever cluster it looks at first, no third one is begun."""
    many.start(NEW)
    many.look_at_all()
    many.start(NEW)
    for name in reversed(NAMES):
        many.look(name)
    assert many.on(NEW) == {"a", "b"}


def test_what_somebody_asks_of_one_cluster_does_not_wait(many: Many) -> None:
    """Nor behind those that wait already; what waits for its own turn comes with it."""
    many.start(NEW)
    many.look_at_all()
    resource = many.manager.get("Cluster", "", "e")
    resource["spec"]["version"] = NEWER
    resource["metadata"]["generation"] += 1
    many.look("e")
    assert many.on(NEWER) == {"e"}
    assert many.starting() == {"a", "b", "e"}
    many.look("d")
    assert many.condition("d")[1].endswith("4 other control planes start anew before it does")


def test_one_that_does_not_serve_is_mended_at_once(many: Many) -> None:
    """It may be the change that mends it. While it comes up, it counts."""
    many.manager.get("Deployment", hosted.namespace("e"), hosted.CONTROL_PLANE)["status"]["readyReplicas"] = 0
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "e"}


def test_what_is_gone_is_made_at_once(many: Many) -> None:
    """A Deployment, or the Secret that its pods read."""
    del many.manager.held["Deployment", hosted.namespace("d"), hosted.CONTROL_PLANE]
    del many.manager.held["Secret", hosted.namespace("e"), hosted.CONTROL_PLANE]
    many.start(NEW)
    many.look_at_all()
    assert many.on(NEW) == {"a", "b", "d", "e"}


def test_one_that_is_deleted_while_it_waits_goes_at_once(many: Many) -> None:
    """And those behind it come up a place."""
    many.start(NEW)
    many.look_at_all()
    resource = many.manager.get("Cluster", "", "c")
    resource["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
    many.controllers["c"].delete(resource)
    many.look("e")
    assert many.condition("e")[1].endswith("3 other control planes start anew before it does")


def test_a_controller_killed_anywhere_begins_no_more_than_may(many: Many) -> None:
    """After every call that changes something, and before anything that was begun has come up."""
    begun_with = many.world.saved()
    many.start(NEW)
    many.look_at_all()
    for number, call in enumerate(list(many.life.calls), 1):
        if call.startswith(("get ", "list ")):  # as after the call before it
            continue
        many.restore(begun_with)
        many.start(NEW, ends=number)
        with pytest.raises(Killed):
            many.look_at_all()
        many.start(NEW)
        for name in reversed(NAMES):
            many.look(name)
        assert len(many.starting()) <= AT_ONCE, f"killed after call {number}, {call}"
        many.settle()
        assert many.on(NEW) == set(NAMES)


def _deployment(template: Document) -> Document:
    """A Deployment with its parts that must be there."""
    whole = {"spec": {"containers": []}, **template}
    spec = {"selector": {}, "replicas": 1, "template": whole}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "control-plane"}, "spec": spec}


WANTED = turns.marked(_deployment({"metadata": {"annotations": {"moorage.dev/config": "new"}}}), 2)


@pytest.mark.parametrize(
    ("generation", "annotations", "ready", "waits"),
    [
        (2, {"moorage.dev/config": "new"}, 1, False),  # nothing is to change
        (2, {"moorage.dev/config": "old"}, 1, True),
        (1, {"moorage.dev/config": "old"}, 1, False),  # its resource was changed
        (2, {"moorage.dev/config": "old"}, 0, False),  # it does not serve
        (2, {"moorage.dev/config": "old", "moorage.dev/moved": "2026"}, 1, False),  # its host is to be empty
    ],
)
def test_what_waits(generation: int, annotations: dict[str, str], ready: int, waits: bool) -> None:
    """Only what is changed for all, of one that serves where it may stay."""
    had = turns.marked(_deployment({"metadata": {"annotations": annotations}}), generation)
    before = codecs.from_dict({**had, "status": {"readyReplicas": ready}})
    assert turns.may_wait(before, WANTED) is waits


def test_one_that_says_nothing_of_itself_waits() -> None:
    """It is of an earlier release."""
    before = codecs.from_dict({**_deployment({}), "status": {"readyReplicas": 1}})
    assert turns.may_wait(before, WANTED)
    assert not turns.may_wait(None, WANTED)

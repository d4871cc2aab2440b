"""For how long a member is away, and how often it ended by itself meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from lightkube import Client
from lightkube.resources.core_v1 import Pod

from installer.controller.datastores.members import Away, Layout, MemberWatch, Pods
from installer.controller.manager_api import Api
from installer.kubernetes import datastore, draining, host
from tests.fakes.kubernetes import FakeApi, Life
from tests.unit.kubernetes import fixed


class Watched:
    """One member, watched by a clock that stands still unless told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watch = MemberWatch(lambda: self.now)

    def look(self, *, answers: bool = False, pod: str = "one", restarts: int = 0) -> Away:
        return self.watch.look("a-0", answers=answers, pod=pod, restarts=restarts)


def test_time_away_counts_from_the_first_look_without_an_answer() -> None:
    """And from nothing again once it has answered."""
    member = Watched()
    assert member.look(answers=True) == Away(0.0, 0)
    assert member.look().seconds == 0
    member.now += 30
    assert member.look().seconds == 30
    member.look(answers=True)
    member.now += 5
    assert member.look().seconds == 0


def test_restarts_of_long_ago_are_no_crashes() -> None:
    """A host that rebooted seven times has a pod with seven restarts, and a member that is well."""
    member = Watched()
    member.look(answers=True, restarts=7)
    assert member.look(restarts=8).crashes == 1
    assert member.look(restarts=10).crashes == 3


def test_a_new_pod_counts_from_nothing() -> None:
    """Its restarts are all its own."""
    member = Watched()
    member.look(answers=True, restarts=7)
    assert member.look(pod="two", restarts=3).crashes == 3


def test_a_new_controller_takes_what_it_finds_as_given() -> None:
    """It cannot know when those restarts were."""
    assert Watched().look(restarts=9).crashes == 0


@pytest.mark.parametrize(
    ("state", "up_s"),
    [
        ({"running": {"startedAt": "2026-11-28T21:00:00Z"}}, 8.0),
        ({"terminated": {"exitCode": 137}}, 0.0),
        ({"waiting": {"reason": "ContainerCreating"}}, 0.0),
        (None, 0.0),
    ],
)
def test_how_long_an_etcd_runs(state: dict[str, Any] | None, up_s: float) -> None:
    container = {"name": "etcd", "ready": True, "restartCount": 0, "image": "", "imageID": "", "state": state}
    labels = {datastore.MEMBER_LABEL: "a-0"}
    pod = Pod.from_dict({"metadata": {"labels": labels}, "status": {"containerStatuses": [container]}})
    now = datetime(2026, 11, 28, 21, 0, 8, tzinfo=UTC).timestamp()
    assert Pods([pod]).up_s("a-0", now) == up_s
    assert Pods([]).up_s("a-0", now) == 0


def test_a_successor_does_not_answer_for_its_predecessor() -> None:
    """The old pod may be seen for a moment longer, crashes and all."""
    member = Watched()
    member.look(answers=True)
    assert member.look(restarts=2).crashes == 2
    member.watch.forget("a-0")
    assert member.look(restarts=2) == Away(0.0, 0)
    assert member.look(pod="two", restarts=1).crashes == 1


def test_a_manager_that_leaves_is_none_to_be_on() -> None:
    """One that is only emptied for a while keeps its members."""
    fake = FakeApi()
    for name, patch in (("m1", {}), ("m2", draining.begin("now")), ("m3", draining.leave("now"))):
        annotations = patch.get("metadata", {}).get("annotations", {})
        meta = {"name": name, "labels": {host.ROLE_LABEL: "manager"}, "annotations": annotations}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        fake.put({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": ready})
    layout = Layout("shared", Api(cast(Client, fake.client(Life()))), fixed.settings(), addresses={})
    layout.read({})
    assert layout.hosts == {"m1": True, "m2": True}

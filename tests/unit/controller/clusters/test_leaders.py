"""Whoever led in a control plane's pod that has ended leads no more; any other is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import Client

from installer.controller.clusters.leaders import Leaders
from installer.controller.manager_api import Api
from installer.core.errors import KubernetesError
from installer.kubernetes import hosted
from tests.fakes.kubernetes import FakeApi, Life
from tests.unit.controller.clusters.world import World

_NAMESPACE = "cluster-team-a"
_OLD, _NEW = "control-plane-1-aaaa", "control-plane-2-bbbb"


class Trial:
    """A manager with a host and two pods of a control plane, of which the first leads."""

    def __init__(self) -> None:
        self.manager, self.inside, self.life = FakeApi(), FakeApi(), Life()
        self.host(ready=True)
        for pod in (_OLD, _NEW):
            self.pod(pod)
        self.leads("kube-controller-manager", _OLD)
        self.leads("kube-scheduler", _NEW)
        self.leaders = Leaders("team-a", self._api(self.manager))

    def host(self, *, ready: bool) -> None:
        conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}
        self.manager.put({**node, "status": {"conditions": conditions}})

    def pod(self, name: str, phase: str = "Running") -> None:
        meta = {"name": name, "namespace": _NAMESPACE, "labels": dict(hosted.labels("team-a", hosted.CONTROL_PLANE))}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"nodeName": "worker-1", "containers": []}}
        self.manager.put({**pod, "status": {"phase": phase}})

    def leads(self, lease: str, pod: str) -> None:
        meta = {"name": lease, "namespace": "kube-system"}
        spec = {"holderIdentity": f"{pod}_5f2c", "leaseDurationSeconds": 15}
        self.inside.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})

    def look(self) -> None:
        self.leaders.changed()
        self.leaders.release(self._api(self.inside, "inside"))

    def holders(self) -> list[str]:
        return [lease["spec"]["holderIdentity"].removesuffix("_5f2c") for lease in self.inside.of("Lease")]

    def _api(self, of: FakeApi, name: str = "") -> Api:
        return Api(cast(Client, of.client(self.life, name)))


@pytest.fixture
def trial() -> Trial:
    return Trial()


@pytest.mark.parametrize("gone", ["deleted", "Failed", "Succeeded"])
def test_a_pod_that_has_ended_leads_no_more(trial: Trial, gone: str) -> None:
    """Its successor would wait fifteen seconds, and every new node with it."""
    trial.look()
    assert trial.holders() == [_OLD, _NEW]
    if gone == "deleted":
        trial.manager.remove("Pod", _NAMESPACE, _OLD)
    else:
        trial.pod(_OLD, gone)
    trial.look()
    assert trial.holders() == ["", _NEW]


def test_a_pod_on_a_host_that_is_cut_off_may_lead_on(trial: Trial) -> None:
    """It was given up, and may run where nobody sees it: two that lead would be worse than none for a while."""
    trial.look()
    trial.host(ready=False)
    trial.manager.remove("Pod", _NAMESPACE, _OLD)
    trial.look()
    assert trial.holders() == [_OLD, _NEW]


def test_a_pod_that_nobody_saw_may_lead_on(trial: Trial) -> None:
    """The controller has just started, and does not know where it was."""
    trial.manager.remove("Pod", _NAMESPACE, _OLD)
    trial.look()
    assert trial.holders() == [_OLD, _NEW]


def test_nobody_is_asked_while_no_pod_changes(trial: Trial) -> None:
    trial.look()
    calls = len(trial.life.calls)
    trial.leaders.release(cast(Any, None))
    assert len(trial.life.calls) == calls


def test_an_api_that_did_not_answer_is_asked_again(trial: Trial) -> None:
    trial.look()
    trial.manager.remove("Pod", _NAMESPACE, _OLD)
    trial.leaders.changed()

    class Away:
        """A cluster's API that is not there."""

        def get(self, *_: Any) -> Any:
            raise KubernetesError("it does not answer")

    with pytest.raises(KubernetesError):
        trial.leaders.release(cast(Any, Away()))
    trial.leaders.release(trial._api(trial.inside, "inside"))
    assert trial.holders() == ["", _NEW]


def test_a_pass_after_a_pod_has_ended_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is told of its pods, and sees to it while it looks after the cluster."""
    world = World(tmp_path, monkeypatch)
    controller = world.controller()
    world.keep(controller)
    pods = Trial()
    for found in (pods.manager.get("Pod", _NAMESPACE, _OLD), pods.inside.get("Lease", "kube-system", "kube-scheduler")):
        (world.manager if found["kind"] == "Pod" else world.inside).put(found)
    lease = world.inside.get("Lease", "kube-system", "kube-scheduler")
    lease["spec"]["holderIdentity"] = f"{_OLD}_5f2c"
    controller.pod_changed(_NAMESPACE)
    controller.reconcile(world.resource)
    assert world.inside.get("Lease", "kube-system", "kube-scheduler")["spec"]["holderIdentity"] == f"{_OLD}_5f2c"
    world.manager.remove("Pod", _NAMESPACE, _OLD)
    controller.pod_changed(_NAMESPACE)
    controller.reconcile(world.resource)
    assert world.inside.get("Lease", "kube-system", "kube-scheduler")["spec"]["holderIdentity"] == ""

"""A host's node has the labels and taints that the specification says now, and those that others gave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import Status

from installer.core.errors import KubernetesError
from installer.engine.events import StepReport
from installer.engine.plan import StepId, Target
from installer.kubernetes import host
from installer.spec.specification import Specification, load
from installer.workflows import clusters, host_marks, manager_api, manager_settings
from installer.workflows.session import Session
from installer.workflows.steps import configure_manager
from tests.fakes.kubernetes import FakeApi, FakeClient, Life
from tests.unit.spec.documents import platform
from tests.unit.workflows import sessions

_WHERE = {"topology.kubernetes.io/region": "home", "topology.kubernetes.io/zone": "a"}
_OTHER = {"key": "example.com/careful", "effect": "NoSchedule"}
_MANAGER, _WORKER = "{name: m, role: manager}", "{name: w, role: worker, labels: {disk: fast}}"


@pytest.fixture
def api() -> FakeApi:
    """The manager's, with a manager and a worker as their kubelets registered them, and what somebody added."""
    found = FakeApi()
    node = {"apiVersion": "v1", "kind": "Node"}
    for name, role, taint in (("m-1", "manager", host.MANAGER_TAINT), ("w-1", "worker", _OTHER)):
        meta = {"name": name, "labels": {**_WHERE, host.ROLE_LABEL: role, "theirs": "stays"}}
        found.put({**node, "metadata": meta, "spec": {"taints": [taint]}})
    return found


def specified(folder: Path, hosts: str) -> Specification:
    path = folder / "platform.yaml"
    path.write_text(platform(regions=f"{{name: home, provider: {{kind: local}}, hosts: [{hosts}]}}"))
    return load(path)


def session(folder: Path, api: FakeClient, hosts: str) -> Session:
    """Provided when no host had any label."""
    before = specified(folder, "{name: m, role: manager}, {name: w, role: worker}")
    found = sessions.provided(before, specified(folder, hosts), folder, {})
    found.__dict__["api"] = cast(Client, api)
    return found


def change(folder: Path, api: FakeApi, hosts: str) -> dict[str, str]:
    """What was due with these hosts, for people; it is done, and nothing is due any more."""
    made = session(folder, api.client(Life()), hosts)
    found = {name: str(one) for name, one in host_marks.due(made).items()}
    host_marks.set_due(made)
    assert not host_marks.due(made)
    return found


def test_labels_follow_the_specification(tmp_path: Path, api: FakeApi) -> None:
    """No resource of a stack changes for them, and no kubelet changes its node; what others gave it stays."""
    first = change(tmp_path, api, f"{_MANAGER}, {_WORKER}")
    assert first == {"m-1": "note which labels and taints are ours", "w-1": "labels disk=fast"}
    assert change(tmp_path, api, f"{_MANAGER}, {_WORKER.replace('disk: fast', 'rack: r7')}") == {
        "w-1": "labels rack=r7, disk-"
    }
    node = api.get("Node", "", "w-1")
    assert node["metadata"]["labels"] == {**_WHERE, host.ROLE_LABEL: "worker", "theirs": "stays", "rack": "r7"}
    assert node["spec"]["taints"] == [_OTHER]


def test_managers_carry_what_clusters_run_once_the_last_worker_is_gone(tmp_path: Path, api: FakeApi) -> None:
    """And no more once there is one: what is there moves only when it is replaced."""
    change(tmp_path, api, f"{_MANAGER}, {_WORKER}")
    assert change(tmp_path, api, _MANAGER) == {"m-1": "taints"}
    assert api.get("Node", "", "m-1")["spec"]["taints"] == []
    assert change(tmp_path, api, f"{_MANAGER}, {_WORKER}") == {"m-1": "taints"}
    assert api.get("Node", "", "m-1")["spec"]["taints"] == [host.MANAGER_TAINT]


@pytest.mark.parametrize("conflicts", [1, 100])
def test_a_node_that_somebody_else_changes_at_the_same_time(tmp_path: Path, api: FakeApi, conflicts: int) -> None:
    """It is read anew; one that goes on changing is told by its name."""

    class Busy(FakeClient):
        """An API where others are quicker for a while."""

        left = conflicts

        def patch(self, *args: Any, **kwargs: Any) -> Any:
            if Busy.left:
                Busy.left -= 1
                raise ApiError(status=Status(code=409, message="it was changed", reason="Conflict"))
            return super().patch(*args, **kwargs)

    made = session(tmp_path, Busy(api, Life(), ""), f"{_MANAGER}, {_WORKER}")
    if conflicts == 1:
        host_marks.set_due(made)
        assert api.get("Node", "", "w-1")["metadata"]["labels"]["disk"] == "fast"
    else:
        with pytest.raises(KubernetesError, match=r"changing nodes: m-1, w-1"):
            host_marks.set_due(made)


def test_the_manager_is_set_up_once_its_nodes_are_marked(
    tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan names each node; after it there is nothing to do."""
    made = session(tmp_path, api.client(Life()), f"{_MANAGER}, {_WORKER}")
    for name in ("_noted", "_definitions", "_documents"):
        monkeypatch.setattr(configure_manager, name, lambda session: {})
    monkeypatch.setattr(manager_settings, "is_noted", lambda *_: True)
    monkeypatch.setattr(manager_api, "await_nodes", lambda *_: None)
    monkeypatch.setattr(clusters, "await_bundle", lambda *_: None)
    step, target = configure_manager.ConfigureManager(), Target("platform", "harbor")
    changes = step.plan(made, target)
    assert [(change.target, change.summary) for change in changes][-1] == ("w-1", "labels disk=fast")
    step.verify(made, target, StepReport(StepId("manager", "harbor", "configure-manager"), lambda event: None))
    assert not step.plan(made, target)

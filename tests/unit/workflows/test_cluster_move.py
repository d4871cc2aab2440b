"""A move to another region: what is told before, what is refused, and when it is at its end."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from installer.core.clock import SystemClock
from installer.core.errors import KubernetesError
from installer.engine import runner
from installer.engine.events import Silent
from installer.engine.journal import Journal
from installer.kubernetes import hosted
from installer.spec import specification
from installer.workflows import cluster_move, clusters
from installer.workflows.session import Session
from tests.fakes.kubernetes import Document, FakeApi, Life
from tests.unit.spec.documents import platform

_REGIONS = ", ".join(
    f"{{name: {name}, provider: {{kind: local}}, hosts: [{hosts}]}}"
    for name, hosts in (
        ("north", "{name: n, role: manager, count: 2}"),
        ("south", "{name: s, role: manager}"),
        ("plant", "{name: p, role: worker}"),
    )
)
_WELL = [{"type": kind, "status": "True", "reason": "Ready"} for kind in ("ControlPlaneReady", "DatastoreReady")]


class World:
    """One cluster at home in the north, whose controller does in one pass what it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, *, store: str = "shared") -> None:
        self.api = FakeApi()
        (folder / "platform.yaml").write_text(platform(regions=_REGIONS))
        spec = specification.load(folder / "platform.yaml").platform
        assert spec is not None
        hosts = {"n-1": "north", "n-2": "north", "s-1": "south"}
        self.session = cast(
            Session,
            SimpleNamespace(
                api=self.api.client(Life()),
                platform=spec,
                hosts={name: SimpleNamespace(region=region) for name, region in hosts.items()},
                ignore=frozenset(),
            ),
        )
        at = {"shared": "shared-north", "dedicated": "cluster-team-a"}.get(store, store)
        plane = {"replicas": 1, "region": "north"}
        self.api.put(
            {
                "apiVersion": "moorage.dev/v1",
                "kind": "Cluster",
                "metadata": {"name": "team-a"},
                "spec": {"version": "1.36.3", "datastore": store, "controlPlane": plane, "pools": []},
                "status": {"observedGeneration": 1, "datastore": {"name": at, "also": ""}, "conditions": _WELL},
            }
        )
        self.store(at, region="" if at == store else "north", host="n-1")
        self.pod("n-2")
        self.written: list[str] = []
        monkeypatch.setattr(clusters, "apply", lambda session, cluster: self.follow(cluster))
        monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)

    @property
    def cluster(self) -> Document:
        return self.api.get("Cluster", "", "team-a")

    def store(self, name: str, *, region: str, host: str) -> None:
        made = {"apiVersion": "moorage.dev/v1", "kind": "Datastore", "metadata": {"name": name}}
        spec = {"region": region} if region else {}
        self.api.put({**made, "spec": spec, "status": {}})["status"] = {
            "members": [{"name": f"{name}-0", "host": host}]
        }

    def pod(self, host: str) -> None:
        labels = hosted.labels("team-a", hosted.CONTROL_PLANE)
        meta = {"name": "plane", "namespace": "cluster-team-a", "labels": labels}
        self.api.put(
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"nodeName": host, "containers": []}}
        )

    def follow(self, cluster: Any) -> None:
        """As the controller does."""
        region = cluster.spec.control_plane.region
        self.written.append(region)
        self.cluster["spec"]["controlPlane"]["region"] = region
        name = f"shared-{region}" if cluster.spec.datastore == "shared" else "cluster-team-a"
        self.store(name, region=region, host="s-1")
        self.cluster["status"]["datastore"] = {"name": name, "also": ""}
        self.pod("s-1")

    def move(self, region: str = "south") -> cluster_move.Move:
        return cluster_move.to(self.session, "team-a", region)

    def told(self) -> list[str]:
        return [str(change) for _, change in cluster_move.preview(self.move()).changes()]


@pytest.mark.parametrize(
    ("store", "told"),
    [
        (
            "shared",
            "update team-a: data: from datastore shared-north to shared-south, while it serves; at the end its API "
            "stands still for some 10 s, what runs on its nodes does not",
        ),
        ("dedicated", "update team-a: data: members of datastore cluster-team-a follow one by one, while it serves"),
    ],
)
def test_what_will_happen_is_told_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str, told: str
) -> None:
    """The pause as well; and nothing is told of one that is there."""
    world = World(monkeypatch, tmp_path, store=store)
    assert world.told() == ["update team-a: control plane: from region north to region south", told]
    assert [str(change) for _, change in cluster_move.preview(world.move("north")).changes()] == []
    assert world.written == []


def test_one_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its data was in the datastore of all that have none."""
    world = World(monkeypatch, tmp_path)
    world.cluster["spec"]["controlPlane"] = {}
    world.cluster["status"]["datastore"] = {"name": "shared", "also": ""}
    assert [line.partition("team-a: ")[2].partition(",")[0] for line in world.told()] == [
        "control plane: from any region to region south",
        "data: from datastore shared to shared-south",
    ]


@pytest.mark.parametrize("store", ["shared", "dedicated"])
def test_it_moves_and_a_second_time_does_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: str) -> None:
    """The resource says the region; the rest is the controller's."""
    world = World(monkeypatch, tmp_path, store=store)

    def run(session: Any, playbook: Any, command: str, context: Any, *, arguments: Any) -> runner.RunResult:
        assert arguments == {"cluster": "team-a", "region": "south"}  # `moorage plan retry` goes on by them
        return runner.run(playbook, context, reporter=Silent(), journal=Journal(tmp_path / "journal", command=command))

    monkeypatch.setattr(cluster_move.runs, "locked", lambda session, command: nullcontext())
    monkeypatch.setattr(cluster_move.runs, "run", run)
    assert cluster_move.run(world.move()).changed == 1
    assert world.written == ["south"]
    assert world.told() == []
    assert cluster_move.run(world.move()).changed == 0
    assert world.written == ["south"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"observedGeneration": 0}, "goes on: the controller has not looked at it yet"),
        ({"conditions": [{"type": "ControlPlaneReady", "status": "False", "reason": "Starting"}]}, "goes on: Starting"),
        # Nodes in a region that is cut off are no reason to wait.
        ({"conditions": [*_WELL, {"type": "NodesReady", "status": "False", "reason": "Starting"}]}, None),
        (
            {"datastore": {"name": "shared-south", "also": "shared-north"}},
            "goes on: what is left of it in datastore shared-north is removed",
        ),
        (
            {"datastore": {"name": "shared-north", "also": "shared-south"}},
            "data: from datastore shared-north to shared-south, while it serves; at the end its API stands still for "
            "some 10 s, what runs on its nodes does not",
        ),
    ],
)
def test_one_that_was_cut_off_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, Any], told: str | None
) -> None:
    """What is left to do is told, though the resource says already what it is to say."""
    world = World(monkeypatch, tmp_path)
    clusters.rehome(world.session, "team-a", "south")
    world.cluster["status"] |= change
    assert world.told() == ([f"update team-a: {told}"] if told else [])


def test_it_is_not_there_while_a_pod_or_a_member_is_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever conditions say: a look at another moment may have found them well."""
    world = World(monkeypatch, tmp_path, store="dedicated")
    move = world.move()
    clusters.rehome(world.session, "team-a", "south")
    world.store("cluster-team-a", region="south", host="n-1")
    world.pod("n-2")
    assert cluster_move._unfinished(move) == "not in region south yet: member cluster-team-a-0, plane"
    world.store("cluster-team-a", region="south", host="s-1")
    world.pod("s-1")
    assert cluster_move._unfinished(move) is None


@pytest.mark.parametrize(
    ("where", "what", "hint"),
    [
        (("shared", "east"), "there is no region east", "choose one of north, south"),
        (("shared", "plant"), "region plant has no host with the role manager", "a manager and run `moorage up`"),
        (("large", "south"), "its data is in datastore large", "kubectl patch datastore large --type=merge"),
    ],
)
def test_what_cannot_move_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: tuple[str, str], what: str, hint: str
) -> None:
    """By name, with what would do."""
    world = World(monkeypatch, tmp_path, store=where[0])
    with pytest.raises(KubernetesError, match=what) as caught:
        world.move(where[1])
    assert hint in caught.value.hint
    assert world.written == []


def test_a_datastore_of_ones_own_that_is_there_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was moved before."""
    world = World(monkeypatch, tmp_path, store="large")
    world.store("large", region="south", host="s-1")
    assert world.told() == ["update team-a: control plane: from region north to region south"]

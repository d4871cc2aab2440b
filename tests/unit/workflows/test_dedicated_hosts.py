"""Dedicated hosts: who joins, who is freed, who is left alone; decided from pools and from what is on each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from installer.core.errors import HostError, KubernetesError
from installer.core.secret import Secret
from installer.engine.events import StepReport
from installer.engine.plan import StepId, Target
from installer.hostops import remove
from installer.hostops.facts import HostFacts, Manifest
from installer.kubernetes import documents, node_pod
from installer.kubernetes.client import ApiUnavailableError
from installer.kubernetes.rendering import Rendered
from installer.kubernetes.roots import Roots
from installer.spec.specification import load
from installer.workflows import changing, clusters, dedicated_hosts, host_drain, rendered
from installer.workflows.homes import Homes
from installer.workflows.session import Session
from installer.workflows.steps import (
    apply_cluster,
    change_host,
    check_hosts,
    dedicated_host,
    distribute_bundle,
    install_host,
    leave_host,
)
from tests.fakes.kubernetes import FakeApi, Life, node_info
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import cluster, platform
from tests.unit.workflows import sessions
from tests.unit.workflows.test_releases import NEW, OLD, links

_HOSTS = "{name: manager, role: manager}, {name: worker, role: worker}, {name: metal, role: dedicated, count: 2}"
_SILENT = StepReport(StepId("assign", "metal-1", "free-host"), lambda event: None)


def _pool(*hosts: str) -> str:
    return f"{{name: metal, kind: dedicated, hosts: [{', '.join(hosts)}]}}"


def _on(cluster_: str = "", *, release: str = NEW.digest) -> HostFacts:
    """A host that is a node of a cluster, or of the manager."""
    manifest = Manifest(units={"kubelet.service": "1"}, files={"/x": "y"}, release=release, cluster=cluster_)
    return facts(releases={NEW.digest: "2026.11"}, manifest=manifest, links=links(release))


EMPTY = facts(manifest=Manifest())
HAD = facts(manifest=Manifest(units={"kubelet.service": ""}, files={"/x": "y"}, cluster="team-a"))  # half joined


def _session(folder: Path, seen: Mapping[str, HostFacts], *hosts: str, more: str = "") -> Session:
    """A session of a platform whose cluster has `hosts` in a pool; the manager knows of the same clusters."""
    path = folder / "platform.yaml"
    path.write_text(platform(hosts=_HOSTS) + cluster(pools=_pool(*hosts)) + more)
    spec = load(path)
    default = {"manager-1": _on(), "worker-1": _on(), "metal-1": EMPTY, "metal-2": EMPTY}
    made = sessions.provided(spec, spec, folder, {**default, **seen})
    made.bundle = NEW  # type: ignore[assignment]  # as far as it is used
    made.api = cast(Any, FakeApi().client(Life()))
    return made


@pytest.mark.parametrize(
    ("seen", "pool", "does"),
    [
        (EMPTY, (), set()),  # free
        (EMPTY, ("metal-1",), {"join"}),
        (HAD, ("metal-1",), {"join"}),  # killed while it joined
        (_on("team-a"), ("metal-1",), set()),
        (_on("team-a", release=OLD.digest), ("metal-1",), {"change"}),
        (_on("team-a"), (), {"free"}),
        (HAD, (), {"free"}),
        (_on("team-b"), ("metal-1",), {"free", "join"}),  # from one to the other
    ],
)
def test_who_joins_and_who_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: HostFacts, pool: tuple[str, ...], does: set[str]
) -> None:
    """A host is never two things: it is clean in between."""
    session, target = _session(tmp_path, {"metal-1": seen}, *pool), Target("host", "metal-1")
    monkeypatch.setattr(change_host.host_changes, "todo", lambda session, name: ())
    steps: dict[str, Any] = {
        "install": install_host.InstallHost(),
        "free": dedicated_host.FreeHost(),
        "join": dedicated_host.JoinCluster(),
        "change": change_host.ChangeHost(),
    }
    assert {name for name, step in steps.items() if step.plan(session, target)} == does


def test_free_hosts_are_asked_nothing(tmp_path: Path) -> None:
    """No bundle is brought to them, and no check fails because of them."""
    session = _session(tmp_path, {"worker-1": _on()}, "metal-2")
    (change,) = distribute_bundle.DistributeBundle().plan(session, Target("region", "home"))
    assert change.detail == ("metal-2",)
    assert set(dedicated_hosts.in_use(session)) == {"manager-1", "worker-1", "metal-2"}
    nobody = _session(tmp_path, {})
    assert distribute_bundle.DistributeBundle().plan(nobody, Target("region", "home")) == ()
    assert check_hosts.CheckHosts().plan(nobody, Target("platform", "harbor")) == ()


def test_they_are_no_nodes_of_the_manager(tmp_path: Path) -> None:
    """Nobody waits for them there, and users do not reach clusters by them."""
    session = _session(tmp_path, {}, "metal-1")
    assert set(session.nodes) == {"manager-1", "worker-1"}
    assert len(session.endpoints) == 2


def test_two_clusters_cannot_have_one_host(tmp_path: Path) -> None:
    """One of them made with kubectl: whoever runs `up` is told of both."""
    session = _session(tmp_path, {}, "metal-1")
    api = _manager(session)
    api.put(_resource("team-z", "metal-1"))
    with pytest.raises(KubernetesError, match="clusters team-a and team-z both claim host metal-1"):
        session.homes.places()


def test_the_specification_has_the_first_word(tmp_path: Path) -> None:
    """And the manager's are known, too; where it does not answer, the specification alone."""
    session = _session(tmp_path, {}, "metal-1")
    api = _manager(session)
    api.put(_resource("team-a", "metal-2"))
    assert set(session.homes.places()) == {"metal-1"}
    api.put(_resource("team-z", "metal-2"))
    assert {name: place.cluster.name for name, place in session.homes.places().items()} == {
        "metal-1": "team-a",
        "metal-2": "team-z",
    }
    session.api = cast(Any, _Away())
    place = dedicated_hosts.place(session, "metal-1")
    assert place is not None
    assert place.cluster.name == "team-a"


class _Away:
    def list(self, *_: Any, **__: Any) -> Any:
        raise ApiUnavailableError("no API server answers")


def _manager(session: Session) -> FakeApi:
    api = FakeApi()
    session.api = cast(Any, api.client(Life()))
    return api


def _resource(name: str, *hosts: str, shared: bool = False, runs: str = "1.36.3") -> dict[str, Any]:
    pools: list[dict[str, Any]] = [{"name": "metal", "kind": "dedicated", "hosts": list(hosts)}]
    pools += [{"name": "general", "kind": "shared"}] if shared else []
    return {
        "apiVersion": "moorage.dev/v1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {"version": "1.37.2", "pools": pools},
        "status": {"controlPlane": {"version": runs}},
    }


@pytest.mark.parametrize("shared", [True, False])
def test_what_it_takes_to_join(tmp_path: Path, shared: bool) -> None:
    """The version that the control plane runs, not the one it is to have; a way to node pods only where some are."""
    session = _session(tmp_path, {}, "metal-1")
    api = _manager(session)
    assert session.homes.of("metal-1") is None  # the cluster is not there yet
    api.put(_resource("team-a", "metal-1", shared=shared))
    assert session.homes.of("metal-1") is None  # it has no roots and no address yet
    where = "cluster-team-a"
    roots = Roots.generate("team-a").to_mapping()
    api.put(documents.secret("roots", where, roots, labels={}))
    api.put(documents.secret("registries", where, {"example.org.toml": Secret("x")}, labels={}))
    ports = [{"port": 6443, "nodePort": 30123}]
    meta = {"name": "control-plane", "namespace": where}
    api.put(
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": "10.127.0.9", "ports": ports}}
    )
    for name, pods, noted in (
        ("worker-1", "10.128.1.0/24", {"flannel.alpha.coreos.com/backend-data": json.dumps({"VtepMAC": "0a:01"})}),
        ("manager-1", "10.128.0.0/24", {}),  # its flannel has not told yet
        ("gone", "10.128.2.0/24", {}),
    ):
        meta_ = {"name": name, "annotations": noted}
        api.put({"apiVersion": "v1", "kind": "Node", "metadata": meta_, "spec": {"podCIDR": pods}})
    home = session.homes.of("metal-1")
    assert home is not None
    assert home.cluster.spec.version == "1.36.3"
    with session.homes.held("metal-1", "1.35.9"):
        assert cast(Any, session.homes.of("metal-1")).cluster.spec.version == "1.35.9"
    assert session.homes.of("metal-1") == home
    assert home.way.address == "10.127.0.9"
    assert home.way.servers == ["192.0.2.1:30123", "192.0.2.2:30123"]
    found = [(one.host, one.pods, one.mac) for one in home.way.stretches]
    assert found == ([("192.0.2.2", IPv4Network("10.128.1.0/24"), "0a:01")] if shared else [])
    assert set(home.registry_files) == {"example.org.toml"}
    assert home.roots.authorities["kubernetes"].days == 365


def test_a_host_with_data_is_not_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is removed; the error says what would be lost, and what to do."""
    session = _session(tmp_path, {"metal-1": _on("team-a")})
    monkeypatch.setattr(clusters, "hosts_with_volumes", lambda session: {"metal-1": ("team-a",)})
    monkeypatch.setattr(remove, "remove", lambda connection: pytest.fail("removed"))
    with pytest.raises(HostError, match="volumes of cluster team-a, which would be lost") as caught:
        dedicated_hosts.free(session, "metal-1", _SILENT)
    assert "delete those claims" in str(caught.value.hint)


def test_a_cluster_that_is_not_there_cannot_be_joined(tmp_path: Path) -> None:
    """Said with its name."""
    with pytest.raises(HostError, match="cluster team-a is not there to be joined"):
        dedicated_hosts.join(_session(tmp_path, {}, "metal-1"), "metal-1", _SILENT)


@pytest.mark.parametrize(
    ("release", "runs", "drained"),
    [
        (NEW.digest, "1.37.2", False),
        (NEW.digest, "1.36.3", True),  # another minor version of its cluster
        (NEW.digest, "1.37.0", False),
        (OLD.digest, "1.37.2", True),  # another line of what runs containers
        (NEW.digest, "", False),  # it has not joined
    ],
)
def test_when_it_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, runs: str, drained: bool
) -> None:
    """The manager's own version does not matter to it."""
    session = _session(tmp_path, {"metal-1": _on("team-a", release=release)}, "metal-1")
    home = SimpleNamespace(cluster=SimpleNamespace(spec=SimpleNamespace(version="1.37.2")))
    monkeypatch.setattr(Homes, "of", lambda self, name: home)
    monkeypatch.setattr(dedicated_hosts, "runs", lambda session, name: runs)
    assert dedicated_hosts.needs_drain(session, "metal-1") is drained


@pytest.mark.parametrize(
    ("ran", "release", "told"),
    [
        ("1.36.3", NEW.digest, "metal-1 is back on 2026.11 with Kubernetes 1.36.3"),  # another version of its cluster
        ("1.36.3", OLD.digest, "metal-1 is back on 2026.10 with Kubernetes 1.36.3"),  # and of the release
        ("", NEW.digest, "metal-1 stays as it is: it had no other release"),  # it was joining
    ],
)
def test_a_kubelet_that_does_not_come_up_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: str, release: str, told: str
) -> None:
    """To the version that it had, though its cluster's control plane has another; then pods may come again."""
    session, target = (
        _session(tmp_path, {"metal-1": _on("team-a", release=release)}, "metal-1"),
        Target("host", "metal-1"),
    )
    kubelet, done, notes = [ran], list[str](), list[str]()
    monkeypatch.setattr(dedicated_hosts, "runs", lambda session, name: kubelet[0])

    def bring(*_: Any) -> None:
        kubelet[0] = "1.37.2"
        raise HostError("kubelet does not come up", host="metal-1")

    def put_back(session: Session, name: str, digest: str, report: StepReport) -> Any:
        done.append(f"{name} {digest == release} {session.homes._held}")
        return OLD if digest == OLD.digest else NEW

    monkeypatch.setattr(changing, "bring", bring)
    monkeypatch.setattr(changing, "put_back", put_back)
    monkeypatch.setattr(host_drain, "end", lambda session, name: done.append(f"open {name}"))
    report = StepReport(StepId("dedicated", "metal-1", "change-host"), lambda event: notes.append(event.text))  # type: ignore[attr-defined]
    step = change_host.ChangeHost()
    with pytest.raises(HostError):
        step.run(session, target, report)
    step.undo(session, target, report)
    assert notes == [told]
    assert done == (["metal-1 True {'metal-1': '1.36.3'}", "open metal-1"] if ran else [])
    assert session.homes._held == {}


def test_joining_goes_on_from_whatever_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a host that serves is changed."""
    done: list[str] = []
    monkeypatch.setattr(Homes, "of", lambda self, name: object())
    monkeypatch.setattr(changing, "bring", lambda session, name, bundle, report: done.append(f"bring {name}"))
    monkeypatch.setattr(changing, "settle", lambda session, name, bundle: done.append(f"settle {name}"))
    session, target = _session(tmp_path, {"metal-1": HAD}, "metal-1"), Target("host", "metal-1")
    step = dedicated_host.JoinCluster()
    step.run(session, target, _SILENT)
    step.verify(session, target, _SILENT)
    assert done == ["bring metal-1", "settle metal-1"]


def test_one_that_leaves_the_platform_is_freed_not_taken_out_of_the_manager(tmp_path: Path) -> None:
    """It never was in there."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform(hosts=_HOSTS))
    before = load(path)
    path.write_text(platform(hosts=_HOSTS.replace(", {name: metal, role: dedicated, count: 2}", "")))
    seen = {"manager-1": EMPTY, "worker-1": EMPTY, "metal-1": _on("team-a")}
    session = sessions.provided(before, load(path), tmp_path, seen)
    target = Target("host", "metal-1")
    assert leave_host.LeaveHost().plan(session, target) == ()
    assert dedicated_host.FreeHost().plan(session, target)


def test_what_is_wanted_of_them_is_found_out_again_once_a_cluster_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of other hosts stays: looking again takes time."""
    session = _session(tmp_path, {}, "metal-1")
    looked: list[str] = []
    monkeypatch.setattr(session, "forget", looked.append)
    monkeypatch.setattr(clusters, "apply", lambda session, cluster: None)
    apply_cluster.ApplyCluster().run(session, Target("cluster", "team-a"), _SILENT)
    assert looked == ["metal-1", "metal-2"]


@pytest.mark.parametrize(("taints", "waits"), [([node_pod.STARTING], True), ([], False)])
def test_a_host_has_joined_once_pods_may_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taints: list[Any], waits: bool
) -> None:
    """The controller lets them in, when it has given the node its marks."""
    session, inside = _session(tmp_path, {}, "metal-1"), FakeApi()
    status = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": node_info("1.36.3")}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "metal-1"}}
    inside.put({**node, "spec": {"taints": taints}, "status": status})
    home = SimpleNamespace(cluster=SimpleNamespace(spec=SimpleNamespace(version="1.36.3")))
    monkeypatch.setattr(Homes, "of", lambda self, name: home)
    monkeypatch.setattr(Homes, "api", lambda self, home: inside.client(Life()))
    told: list[str] = []

    def once(check: Any, **_: Any) -> None:
        told.append(check() or "")

    monkeypatch.setattr(changing, "wait_until", once)
    changing.await_node(session, "metal-1", cast(Any, NEW), _SILENT)
    assert told == ["its cluster lets no pods in yet" if waits else ""]


def test_what_a_host_is_to_be_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So its manifest does, by which the next run knows whom it has to leave."""
    session = _session(tmp_path, {}, "metal-1")
    part = rendered.Part(Rendered(processes=(), files={}, certificates={}), Roots.generate("team-a"), cluster="team-a")
    monkeypatch.setattr(Homes, "of", lambda self, name: object())
    monkeypatch.setattr(rendered, "of_cluster", lambda *_: part)
    assert session.wanted_with("metal-1", cast(Any, NEW), EMPTY).cluster == "team-a"

"""What a running platform refuses, by file, line and path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from installer.core.errors import KubernetesError, SpecError, SshError
from installer.engine.plan import Target
from installer.hostops.facts import HostFacts, Manifest
from installer.kubernetes.client import DatastoreResource
from installer.kubernetes.datastore import OWNER_LABEL
from installer.spec.specification import load
from installer.workflows import clusters, leaving, refused, releases, way
from installer.workflows.session import Session
from installer.workflows.steps.apply_cluster import ApplyCluster
from tests.unit.hostops.hosts import facts
from tests.unit.spec.documents import cluster, platform, pool
from tests.unit.workflows import sessions

_EMPTY, _RUNS = facts(), facts(manifest=Manifest(units={"kubelet.service": "1"}))
Looks = dict[str, HostFacts]
_TWO = "{name: manager, role: manager, count: 1}, {name: worker, role: worker, count: 2}"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """What a look at each host gives that needs no bundle; hosts that are not in it cannot be asked."""
    found: Looks = {}

    def on_hosts(session: Session) -> dict[str, str]:
        return {name: releases.name_of(seen) for name, seen in found.items() if name in session.hosts}

    monkeypatch.setattr(way, "on_hosts", on_hosts)
    return found


def _faults(tmp_path: Path, old: str, new: str, seen: dict[str, object]) -> list[str]:
    path = tmp_path / "platform.yaml"
    path.write_text(old)
    before = load(path)
    path.write_text(new)
    session = sessions.provided(before, load(path), tmp_path, seen)  # type: ignore[arg-type]
    try:
        refused.require_allowed(session)
    except SpecError as exc:
        return [line.strip().removeprefix(f"{path}:") for line in exc.what.splitlines()[1:]]
    return []


def _all(seen: object) -> dict[str, object]:
    return dict.fromkeys(("manager-1", "worker-1", "worker-2"), seen)


def test_before_the_first_up_everything_is_allowed(tmp_path: Path) -> None:
    """There is nothing yet that could be contradicted."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform())
    refused.require_allowed(sessions.session(load(path), tmp_path))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (platform(hosts=_TWO), []),
        (platform(hosts=_TWO.replace("count: 2", "count: 3")), []),
        (
            platform(hosts=_TWO, spec="  manager: {network: {domain: other.local}}\n"),
            ["7: spec.manager.network.domain: may not change after creation"],
        ),
        (platform(hosts=_TWO.replace("count: 1", "count: 3")), []),
        (platform(hosts=_TWO.replace("count: 2", "count: 1")), []),
        (
            platform(hosts=_TWO.replace("name: manager", "name: other")),
            ["6: spec.regions: no longer has manager-1: one manager that serves must stay until others have joined it"],
        ),
    ],
)
def test_a_platform_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str, expected: list[str]) -> None:
    """Hosts come and go, but for the last manager; what is fixed stays."""
    monkeypatch.setattr(leaving, "keeps", lambda session, name: ())
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_RUNS)) == expected


@pytest.mark.parametrize("count", ["count: 1", "count: 3"])
def test_hosts_that_carry_nothing_yet_may_come_and_go(tmp_path: Path, count: str) -> None:
    """A first `up` that failed its preflight leaves the number of hosts open, managers included."""
    new = platform(hosts=_TWO.replace("count: 1", count).replace("count: 2", "count: 1"))
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_EMPTY)) == []


def test_a_host_does_not_go_with_data_that_is_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has is named; of one that is gone already, nothing could be kept."""
    monkeypatch.setattr(leaving, "keeps", lambda session, name: ("volumes of cluster team-a, which would be lost",))
    new = platform(hosts=_TWO.replace("count: 2", "count: 1"))
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_RUNS)) == [
        "6: spec.regions: no longer has worker-2, which has volumes of cluster team-a, which would be lost: put it back"
    ]
    assert _faults(tmp_path, platform(hosts=_TWO), new, _all(_RUNS) | {"worker-2": SshError("it is gone")}) == []


def _at(runs: str) -> Any:
    return SimpleNamespace(name="team-a", runs=runs)


@pytest.mark.parametrize(
    ("runs", "wanted", "refused_as"),
    [
        ("1.37.2", "1.36.3", "a control plane does not go back"),
        ("1.36.3", "1.36.3", ""),  # 1.37.2 did not come up
        ("1.36.3", "1.38.0", "one minor version at a time"),
        ("", "1.36.3", "a control plane does not go back"),  # nobody answers: the resource refuses, or does not
    ],
)
def test_versions_are_counted_from_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: str, wanted: str, refused_as: str
) -> None:
    """The specification that was provided may name one that was never reached."""

    def list_(session: Session) -> list[Any]:
        if not runs:
            raise KubernetesError("no API server answers")
        return [_at(runs)]

    monkeypatch.setattr(clusters, "list_", list_)
    old, new = (platform(hosts=_TWO) + cluster(version=version, pools=pool()) for version in ("1.37.2", wanted))
    found = _faults(tmp_path, old, new, _all(_RUNS))
    assert len(found) == bool(refused_as)
    assert refused_as in "".join(found)


@pytest.mark.parametrize(("runs", "allowed"), [("1.36.3", True), ("1.37.2", False), (None, False)])
def test_a_resource_is_changed_from_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: str | None, allowed: bool
) -> None:
    """As the API does it, and before anything is asked of that."""
    path = tmp_path / "platform.yaml"
    path.write_text(platform(hosts=_TWO) + cluster(pools=pool()))
    found = load(path)
    session = sessions.provided(found, found, tmp_path, _all(_RUNS))  # type: ignore[arg-type]
    document = clusters.document(found.clusters[0])
    status = {"controlPlane": {"version": runs}} if runs else {}
    resource = {**document, "spec": {**document["spec"], "version": "1.37.2"}, "status": status}
    monkeypatch.setattr(clusters, "find", lambda session, name: resource)
    monkeypatch.setattr(clusters, "would_be", lambda session, cluster: clusters.document(cluster))
    target = Target("cluster", "team-a")
    if allowed:
        (change,) = ApplyCluster().plan(session, target)
        assert change.detail == ("version: 1.37.2 -> 1.36.3",)
    else:
        with pytest.raises(SpecError, match="does not go back"):
            ApplyCluster().plan(session, target)


@pytest.fixture
def platform_of(tmp_path: Path) -> Callable[[str], Session]:
    """A session on a platform of these hosts, as provided."""

    def make(hosts: str) -> Session:
        path = tmp_path / "platform.yaml"
        path.write_text(platform(hosts=hosts))
        found = load(path)
        return sessions.provided(found, found, tmp_path, {})

    return make


_THREE = ["manager-1", "a", "b"]
_FEW = "for which too few managers are left: give it `spec.members: 1` first"


def _store(name: str, members: list[str], owner: str = "", region: str | None = None) -> Any:
    meta = {"name": name, "labels": {OWNER_LABEL: owner} if owner else {}}
    status = {"members": [{"host": host} for host in members]}
    return DatastoreResource.from_dict({"metadata": meta, "spec": {"region": region}, "status": status})


@pytest.mark.parametrize(
    ("store", "managers", "gone", "kept"),
    [
        (_store("shared", ["manager-1"]), 1, False, None),
        (_store("shared", ["manager-1"]), 1, True, "the only member of datastore shared"),
        (_store("shared", _THREE), 1, False, None),
        (_store("cluster-x", _THREE, owner="x"), 1, False, None),
        (_store("large", _THREE), 1, False, f"one of 3 members of datastore large, {_FEW}"),
        (_store("large", _THREE), 3, False, None),
        (_store("shared-home", _THREE, region="home"), 1, False, None),
        (_store("large", _THREE, region="home"), 1, False, f"one of 3 members of datastore large, {_FEW}"),
        (
            _store("shared-south", ["manager-1"], region="south"),
            3,
            False,
            "a member of datastore shared-south of region south, which gets no manager: move its clusters, then "
            "`kubectl delete datastore shared-south` in the manager",
        ),
        (_store("large", ["a"]), 1, True, None),
    ],
)
def test_what_keeps_a_manager(
    platform_of: Callable[[str], Session],
    monkeypatch: pytest.MonkeyPatch,
    *,
    store: Any,
    managers: int,
    gone: bool,
    kept: str | None,
) -> None:
    """A datastore's member goes where another manager is; those of our own making have as many as there are places."""
    session = platform_of(f"{{name: other, role: manager, count: {managers}}}")
    monkeypatch.setattr(leaving.clusters, "hosts_with_volumes", lambda session: {"manager-2": ("team-a",)})
    api = SimpleNamespace(list=lambda kind: [store])
    monkeypatch.setattr(type(session), "api", api)
    assert list(leaving.keeps(session, "manager-1", gone=gone)) == ([kept] if kept else [])
    assert leaving.keeps(session, "manager-2") == ["volumes of cluster team-a, which would be lost"]


_DIGESTS = {"2026.10": "a" * 64, "2026.11": "b" * 64}


def _on(release: str) -> HostFacts:
    noted = Manifest(units={"kubelet.service": "1"}, release=_DIGESTS[release])
    return facts(releases={digest: name for name, digest in _DIGESTS.items()}, manifest=noted)


@pytest.mark.parametrize(
    ("way", "hosts", "expected"),
    [
        ("2026.10 2026.11", {}, []),
        ("2026.10 2026.11", _all(_on("2026.10")), []),
        ("2026.11 2026.10", _all(_on("2026.11")), ["2026.10 is older than 2026.11"]),
        # An upgrade that failed on its first host, which was put back: nothing holds the platform to the newer one.
        ("2026.11 2026.10", _all(_on("2026.10")), []),
        ("2026.11 2026.10", _all(_on("2026.10")) | {"worker-1": _on("2026.11")}, ["`moorage rollback`"]),
        ("2026.10 2026.11", _all(_on("2026.10")) | {"worker-1": _on("2026.11")}, []),
    ],
)
def test_a_release_is_reached_along_its_way(
    tmp_path: Path, way: str, hosts: Looks, expected: list[str], looks: Looks
) -> None:
    """From what the hosts run, whatever was recorded; and never by going back."""
    looks.update(hosts)
    old, new = way.split()
    text = platform(hosts=_TWO)
    found = _faults(tmp_path, text.replace("2026.11", old), text.replace("2026.11", new), _all(_RUNS))
    assert len(found) == len(expected)
    assert all(part in fault for part, fault in zip(expected, found, strict=True))


def test_a_release_in_between_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: Looks) -> None:
    """It comes first."""
    monkeypatch.setattr(refused.way.reach, "way", lambda *_: ("2026.12", "2026.11"))
    text = platform(hosts=_TWO)
    assert _faults(tmp_path, text.replace("2026.11", "2026.10"), text, _all(_RUNS)) == [
        "5: spec.release: is reached by way of 2026.12: `moorage upgrade` walks it"
    ]

"""Every preflight check of a platform that serves: what it finds, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lightkube import codecs

from installer.bundle.release import load_release
from installer.hostops.facts import Disk, Manifest
from installer.hostops.preflight import HOSTS, Finding, Machine, Report, require_ignorable
from installer.kubernetes import draining, pki
from installer.kubernetes.members import Listed, Member
from installer.workflows.checks import PLATFORM, PlatformSeen
from installer.workflows.cluster_info import ClusterInfo, Condition
from installer.workflows.datastores import DatastoreInfo
from installer.workflows.deprecated import Used, gone, used
from tests.conftest import Golden
from tests.unit.hostops.hosts import GIB, facts

_NOW = datetime.now(UTC).replace(microsecond=0)
_OLD, _NEW = "a" * 64, "b" * 64
_LISTED = tuple(Listed(name=f"manager-{i}", learner=False) for i in (1, 2, 3))
_MANAGERS = ("manager-1", "manager-2", "manager-3")
_HOSTS = (*_MANAGERS, "worker-1", "worker-2")


@cache
def _certificate(days: int) -> str:
    """A certificate that ends so many days from now."""
    made = _NOW + timedelta(days=days) - timedelta(days=400)
    authority = pki.new_ca("test", now=made)
    return authority.issue(pki.Subject("x"), days=400, now=made).cert_pem


def _machine(name: str, **changed: Any) -> Machine:
    found: dict[str, Any] = {
        "manifest": Manifest(units={"kubelet.service": "1"}, release=_OLD),
        "releases": {_OLD: "2026.10"},
        "certificates": {"/etc/moorage/x.crt": _certificate(200)},
        **changed,
    }
    return Machine(name=name, role=name.split("-", maxsplit=1)[0], address="192.0.2.1", facts=facts(**found))


def _member(name: str, **changed: Any) -> Member:
    well = {"id": int(name[-1]), "version": "3.6.8", "leader": 1, "term": 2, "index": 9000, "members": _LISTED}
    return Member(name=name, **{**well, "size": 2**20, "quota": 2**31, **changed})


_INFO = ("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "machineID")
_INFO_TOO = ("operatingSystem", "osImage", "systemUUID")


def _node(name: str, *, ready: str = "True", kubelet: str = "1.36.3", pressure: str = "False", **spec: Any) -> Any:
    status = {
        "allocatable": {"cpu": "4", "memory": "8Gi"},
        "conditions": [{"type": "Ready", "status": ready}, {"type": "DiskPressure", "status": pressure}],
        "nodeInfo": {**dict.fromkeys((*_INFO, *_INFO_TOO), ""), "kubeletVersion": f"v{kubelet}"},
    }
    return _object("v1", "Node", name, spec=spec, status=status)


def _object(version: str, kind: str, name: str, *, labels: dict[str, str] | None = None, **parts: Any) -> Any:
    meta = {"name": name, "namespace": "default", "labels": labels or {}}
    return codecs.from_dict({"apiVersion": version, "kind": kind, "metadata": meta, **parts})


def _pod(name: str, *, host: str = "worker-1", memory: str = "1Gi", phase: str = "Running", **status: Any) -> Any:
    container = {"name": "c", "resources": {"requests": {"cpu": "100m", "memory": memory}}}
    spec = {"nodeName": host, "containers": [container]}
    return _object("v1", "Pod", name, labels={"app": name}, spec=spec, status={"phase": phase, **status})


def _budget(allowed: int) -> Any:
    status = {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    return _object(
        "policy/v1", "PodDisruptionBudget", "web", spec={"selector": {"matchLabels": {"app": "web"}}}, status=status
    )


def _webhook(policy: str) -> Any:
    hook = {
        "name": "agree.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": policy,
        "clientConfig": {"service": {"name": "agree", "namespace": "default"}},
    }
    return _object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "agree", webhooks=[hook])


def _slice(*, ready: bool) -> Any:
    return _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "agree-x",
        labels={"kubernetes.io/service-name": "agree"},
        addressType="IPv4",
        endpoints=[{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
    )


def _cluster(**changed: Any) -> ClusterInfo:
    well: dict[str, Any] = {
        "name": "team-a",
        "version": "1.36.3",
        "runs": "1.36.3",
        "phase": "Ready",
        "control_plane_ready": 2,
        "control_plane_wanted": 2,
        "nodes_ready": 2,
        "nodes_wanted": 2,
        "endpoint": "",
        "created": "",
        "conditions": (Condition("Ready", "True", "Ready", ""),),
    }
    return ClusterInfo(**{**well, **changed})


def _store(problem: str = "") -> DatastoreInfo:
    return DatastoreInfo(
        name="shared", phase="Ready", members="3/3", size="1 MiB", quota="2Gi", used_by=("team-a",), problem=problem
    )


WELL = PlatformSeen(
    machines=tuple(_machine(name) for name in _HOSTS),
    target=load_release("2026.11"),
    digest=_NEW,
    members={name: _member(name) for name in _MANAGERS},
    writes_ms=dict.fromkeys(_MANAGERS, 3.0),
    snapshots={"manager-1": _NOW - timedelta(hours=1)},
    authorities={"kubernetes": _certificate(300)},
    api_servers={"https://192.0.2.1:6443": ""},
    nodes=tuple(_node(name) for name in _HOSTS),
    pods=(_pod("web"), _pod("done", phase="Succeeded")),
    budgets=(_budget(1),),
    webhooks=(_webhook("Fail"), _webhook("Ignore")),
    slices=(_slice(ready=True),),
    clusters=(_cluster(),),
    datastores=(_store(),),
    deprecated={"manager": (Used("flowschemas of flowcontrol/v1beta3", "1.38"),), "team-a": ()},
    now=_NOW,
)


def _but(**changed: Any) -> PlatformSeen:
    return replace(WELL, **changed)


def _members(**changed: Any) -> PlatformSeen:
    return _but(members={**WELL.members, "manager-2": _member("manager-2", **changed)})


def _hosts(name: str = "worker-1", **changed: Any) -> PlatformSeen:
    return _but(machines=tuple(_machine(one, **(changed if one == name else {})) for one in _HOSTS))


def _nodes(name: str = "worker-1", **changed: Any) -> PlatformSeen:
    return _but(nodes=tuple(_node(one, **(changed if one == name else {})) for one in _HOSTS))


_SILENT = Member(name="manager-2", problem="connection refused")
_ON_NEW = {"manifest": Manifest(units={"x": ""}, release=_NEW), "releases": {_NEW: "2026.11", _OLD: "2026.10"}}
_LOOP = {"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": False, "restartCount": 9}]}
_LOOP["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}

BAD: dict[str, PlatformSeen] = {
    "etcd-members": _but(members={**WELL.members, "manager-2": _SILENT}),
    "etcd-started": _members(members=(*_LISTED, Listed(name="manager-4", learner=True))),
    "etcd-quorum": _but(members={"manager-1": _member("manager-1"), "manager-2": _SILENT, "manager-3": _SILENT}),
    "etcd-leader": _members(leader=0),
    "etcd-term": _members(term=3),
    "etcd-versions": _members(version="3.7.3"),
    "etcd-alarms": _members(alarms=("NOSPACE",)),
    "etcd-size": _members(size=2**31 - 1),
    "etcd-lag": _members(index=1),
    "etcd-fsync": _but(writes_ms={"manager-1": 700.0}),
    "etcd-fsync-pace": _but(writes_ms={"manager-1": 70.0}),
    "etcd-skew": _members(version="3.5.20"),
    "certificates": _hosts(certificates={"/etc/moorage/x.crt": _certificate(-1)}),
    "certificates-soon": _hosts(certificates={"/etc/moorage/x.crt": _certificate(12)}),
    "authorities": _but(authorities={"kubernetes": _certificate(100)}),
    "releases": _hosts(releases={_OLD: "2020.1"}),
    "way": _but(target=load_release("2026.10"), machines=tuple(_machine(one, **_ON_NEW) for one in _HOSTS)),
    "mixed-releases": _hosts(**_ON_NEW),
    "control-plane-skew": _but(
        target=load_release("2026.10"), machines=tuple(_machine(one, **_ON_NEW) for one in _HOSTS)
    ),
    "kubelet-skew": _nodes(kubelet="1.33.1"),
    "kubelet-seen": _nodes(kubelet="1.36.1"),
    "cluster-versions": _but(clusters=(_cluster(version="1.35.2"),)),
    "removed-apis": _but(deprecated={"manager": (Used("widgets of example/v1beta1", "1.37"),)}),
    "removed-apis-in-clusters": _but(deprecated={"team-a": (Used("widgets of example/v1beta1", "1.37"),)}),
    "manager-api": _but(api_servers={"https://192.0.2.1:6443": "/readyz says 500"}, unknown={"pods": "forbidden"}),
    "nodes-ready": _nodes(ready="Unknown"),
    "nodes-open": _nodes(unschedulable=True),
    "pressure": _nodes(pressure="True"),
    "surge": _but(pods=(_pod("huge", memory="9Gi"),)),
    "budgets": _but(budgets=(_budget(0),)),
    "webhooks": _but(slices=(_slice(ready=False),)),
    "pods": _but(pods=(_pod("web", phase="Pending"),)),
    "crash-loops": _but(pods=(_pod("web", **_LOOP),)),
    "clusters-ready": _but(clusters=(_cluster(phase="Degraded", conditions=()),)),
    "one-replica": _but(clusters=(_cluster(control_plane_wanted=1),)),
    "datastores": _but(datastores=(_store("2 of 3 members are well"),)),
    "volumes": _but(volumes={"worker-1": ("team-a",), "manager-1": ("team-b",)}),
    "bundle": _but(digest=""),
    "bundle-whole": _but(bundle_faults=("bin/etcd", "bin/runc", "bin/ctr", "bin/containerd")),
    "bundle-room": _hosts(disks={"/opt": Disk(100 * GIB, GIB), "/var/lib": Disk(100 * GIB, 50 * GIB)}),
    "copy-room": _but(members={**WELL.members, "manager-2": _member("manager-2", size=2**40, quota=2**42)}),
    "way-back": _hosts(releases={_NEW: "2026.11"}),
    "paused": _but(paused_by="ops@desk since 2026-11-23 12:00:00+00:00"),
    "maintenance-window": _but(closed="no maintenance window is open; the next one opens at Friday 22:00 UTC"),
    "cut-off": _but(cut_off=("managers/manager-2/change-host",)),
    "snapshot": _but(snapshots={}),
}


def _findings(seen: PlatformSeen) -> dict[str, tuple[Finding, ...]]:
    return {result.name: result.findings for result in PLATFORM.run(seen, frozenset()) if result.findings}


def test_every_check_has_a_case() -> None:
    """A new check comes with one; with those of hosts there are more than the promised 45, no two of one name."""
    platform = [check.name for check in PLATFORM.registered]
    assert set(platform) == set(BAD)
    hosts = [check.name for check in HOSTS.registered]
    assert len({*platform, *hosts}) == len(platform) + len(hosts) >= 45


def test_a_platform_that_is_well() -> None:
    """Nothing is found."""
    assert _findings(WELL) == {}


@pytest.mark.parametrize("name", BAD)
def test_it_finds(name: str) -> None:
    """What is wrong, whom it is about, and what is wanted."""
    for finding in _findings(BAD[name])[name]:
        assert finding.host
        assert finding.seen
        assert finding.wanted


def test_what_they_say(golden: Golden) -> None:
    """Each sentence, as users read it; days that pass while this runs are no difference."""
    lines: list[str] = []
    weighs = {check.name: f"{check.severity}{'' if check.ignorable else ', always'}" for check in PLATFORM.registered}
    for name, seen in BAD.items():
        lines += [f"{name} ({weighs[name]}): {json.dumps(vars(finding))}" for finding in _findings(seen)[name]]
    golden("workflows/checks.txt", "\n".join(lines) + "\n")


def test_the_page_lists_every_check() -> None:
    """With what it weighs."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "preflight.md").read_text()
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert rows.keys() >= {check.name for check in (*PLATFORM.registered, *HOSTS.registered)}
    assert all(f"| {check.group} | {check.severity} |" in rows[check.name] for check in PLATFORM.registered)


def test_what_stays_needs_no_room() -> None:
    """A cluster's node with its data stays on its host, whatever it asks for."""
    labels = {"moorage.dev/part": "node", "moorage.dev/cluster": "team-a"}
    node = _pod("node", memory="9Gi")
    node.metadata.labels = labels
    assert not draining.stays(node, ())
    assert "surge" in _findings(_but(pods=(node,)))
    assert _findings(_but(pods=(node,), volumes={"worker-1": ("team-a",)})).keys() == {"volumes"}


def test_room_that_several_share_is_given_once() -> None:
    """Three of 3 GiB do not fit twice into what one has free."""
    pods = tuple(_pod(f"p{i}", memory="3Gi") for i in range(2))
    others = tuple(_pod(f"full-{host}", host=host, memory="4Gi") for host in _HOSTS if host != "worker-1")
    assert _findings(_but(pods=(*pods, *others))) == {}
    more = tuple(_pod(f"more-{host}", host=host, memory="2Gi") for host in _HOSTS if host != "worker-1")
    assert "surge" in _findings(_but(pods=(*pods, *others, *more)))


@pytest.mark.parametrize("name", ["etcd-quorum", "paused", "way"])
def test_what_cannot_be_ignored(name: str) -> None:
    """By no name."""
    with pytest.raises(ValueError, match="cannot be ignored"):
        require_ignorable(frozenset({name}), PLATFORM.registered)


def test_an_ignored_check_only_warns() -> None:
    """It is still in the report."""
    results = PLATFORM.run(BAD["surge"], frozenset({"surge"}))
    assert not Report(results).failed
    assert [result.name for result in results if result.findings] == ["surge"]


_METRICS = """# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="example",removed_release="1.38",resource="widgets",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",subresource="",version="v1"} 1
apiserver_request_total{code="200"} 7
"""


def test_what_api_servers_count() -> None:
    """One line an API; some have no end yet."""
    found = used(_METRICS)
    assert found == (Used("endpoints of v1", ""), Used("widgets of example/v1beta1", "1.38"))
    assert gone(found, "1.37.2") == ()
    assert [one.api for one in gone(found, "1.38.0")] == ["widgets of example/v1beta1"]


def _names(found: Iterable[Finding]) -> list[str]:
    return [finding.host for finding in found]


def test_hosts_that_are_not_reached_are_for_another_check() -> None:
    """Nothing is guessed about them here."""
    assert _names(_findings(_but(nodes=(), unknown={"nodes": "no answer"}))["manager-api"]) == ["manager"]

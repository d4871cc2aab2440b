"""A cluster in two regions: one is cut off and comes back; its home moves to the other, and loses nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.e2e import regions
from tests.e2e.platform_under_test import PlatformUnderTest, eventually

pytestmark = pytest.mark.long

_SPEC = """
apiVersion: moorage.dev/v1
kind: Platform
metadata: {name: t-places}
spec:
  release: "2026.11"
  regions:
    - name: north
      provider: {kind: local}
      hosts: [{name: north, role: manager, count: 2}]
    - name: south
      grace: 1h
      provider: {kind: local}
      hosts: [{name: south, role: manager}]
---
apiVersion: moorage.dev/v1
kind: Cluster
metadata: {name: both}
spec:
  version: 1.37.2
  controlPlane: {region: north}
  pools:
    - {name: north, kind: shared, count: 1, memory: 1Gi, regions: [north]}
    - {name: south, kind: shared, count: 1, memory: 1Gi, regions: [south]}
"""
_NOTICED_S = 120.0  # a lease of 20 s, looked at each 5 s; `status` itself waits for hosts that do not answer
_PANIC_S = 20.0  # after which what is on a single lost host would have been made elsewhere
_CONTROLLER = ("-n", "moorage-system", "get", "pods", "-l", "app=moorage-controller")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformUnderTest]:
    folder = tmp_path_factory.mktemp("places")
    (folder / "platform.yaml").write_text(_SPEC)
    found = PlatformUnderTest("t-places", folder)
    try:
        found.must("up", "--yes")
        yield found
    finally:
        found.take_down()


def _pods(platform: PlatformUnderTest) -> dict[str, tuple[str, str]]:
    """Pods of the cluster in the manager that are not on their way out: uid -> part and host."""
    found = json.loads(platform.kubectl("manager", "-n", "cluster-both", "get", "pods", "-o", "json").stdout)["items"]
    return {
        pod["metadata"]["uid"]: (pod["metadata"]["labels"]["moorage.dev/part"], pod["spec"].get("nodeName", ""))
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    }


def _hosts(platform: PlatformUnderTest, part: str) -> set[str]:
    return {host for of, host in _pods(platform).values() if of == part}


@dataclass
class Writes:
    """ConfigMaps that were made, and when each was answered."""

    made: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def longest_gap_s(self) -> float:
        return max(after - before for before, after in zip(self.times, self.times[1:], strict=False))


@contextmanager
def _writing(platform: PlatformUnderTest) -> Iterator[Writes]:
    """Somebody makes one ConfigMap after the other meanwhile."""
    writes, over = Writes(), threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            words = ("create", "configmap", f"write-{number}", "--request-timeout=3s")
            if platform.kubectl("both", *words, check=False).returncode == 0:
                writes.made.append(f"write-{number}")
                writes.times.append(time.monotonic())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield writes
    finally:
        over.set()
        thread.join()


def test_everything_is_where_it_is_to_be(platform: PlatformUnderTest) -> None:
    """The control plane and its data in the one, nodes in both, with labels that say so."""
    assert {host.partition("-")[0] for host in _hosts(platform, "control-plane")} == {"north"}
    nodes = json.loads(platform.kubectl("both", "get", "nodes", "-o", "json").stdout)["items"]
    told = {node["metadata"]["labels"]["moorage.dev/pool"]: node["metadata"]["labels"] for node in nodes}
    assert {pool: labels["topology.kubernetes.io/region"] for pool, labels in told.items()} == {
        "north": "north",
        "south": "south",
    }
    store = json.loads(platform.kubectl("manager", "get", "datastore", "shared-north", "-o", "json").stdout)
    assert [member["host"].partition("-")[0] for member in store["status"]["members"]] == ["north"]


def test_a_region_that_is_cut_off_is_waited_for(platform: PlatformUnderTest) -> None:
    """`status` tells of it as a whole; what it has stays, whoever looks after it, and goes on when it is back."""
    before = _pods(platform)
    regions.cut(platform, "south")
    try:
        cut = time.monotonic()
        platform.reach_anew()
        eventually(lambda: _cut_off(platform), timeout_s=_NOTICED_S, what="status says that south is cut off")
        sys.stderr.write(f"noticed after {time.monotonic() - cut:.0f} s\n")
        problems = platform.run("status", "-o", "json").json["problems"]
        assert any(line.startswith("region south: cut off since ") for line in problems), problems
        assert not any(line.startswith(("host ", "node ", "API server ")) for line in problems), problems
        platform.kubectl("manager", *("delete" if word == "get" else word for word in _CONTROLLER), "--wait=false")
        time.sleep(_PANIC_S)
        assert _pods(platform) == before
        assert platform.kubectl("both", "get", "--raw", "/readyz").stdout == b"ok"
        [condition] = [c for c in _conditions(platform) if c["type"] == "NodesReady"]
        assert "1 in region south, which is cut off since" in condition["message"]
    finally:
        regions.mend(platform, "south")
    mended = time.monotonic()
    eventually(
        lambda: platform.must("status", "-o", "json").json["problems"] == [], timeout_s=120, what="all is well again"
    )
    sys.stderr.write(f"well {time.monotonic() - mended:.0f} s after it was mended\n")
    assert _pods(platform) == before


def test_a_home_moves_and_no_write_is_lost(platform: PlatformUnderTest) -> None:
    """Killed in the middle, and repeated; told beforehand, with what stands still."""
    shown = platform.run("cluster", "move", "both", "--to-region", "south")
    assert "from region north to region south" in shown.stderr
    assert "from datastore shared-north to shared-south" in shown.stderr
    nodes = {uid for uid, (part, _) in _pods(platform).items() if part == "node"}
    words = ("cluster", "move", "both", "--to-region", "south", "--yes", "-o", "json")
    with _writing(platform) as writes:
        platform.kill_when(lambda line: "shared-south" in line, *words)
        began = time.monotonic()
        platform.must(*words)
        took = time.monotonic() - began
        count = len(writes.made)
        eventually(lambda: len(writes.made) > count + 3, timeout_s=30, what="it is written to")
    names = platform.kubectl("both", "get", "configmaps", "-o", "name").stdout.decode().split()
    assert {f"configmap/{name}" for name in writes.made} <= set(names)
    sys.stderr.write(f"moved in {took:.0f} s; {len(writes.made)} writes, none for {writes.longest_gap_s:.0f} s\n")
    assert writes.longest_gap_s < 40
    assert _hosts(platform, "control-plane") == {"south-1"}
    assert nodes <= _pods(platform).keys()
    assert "region: south" in (platform.folder / "platform.yaml").read_text().replace('"', "")
    assert platform.must("cluster", "move", "both", "--to-region", "south", "--yes", "-o", "json").json["changed"] == 0
    assert platform.run("cluster", "move", "both", "--to-region", "east", "--yes").status != 0


def _cut_off(platform: PlatformUnderTest) -> bool:
    found = platform.run("status", "-o", "json").json["regions"]
    return bool(next(one for one in found if one["name"] == "south")["cutOffSince"])


def _conditions(platform: PlatformUnderTest) -> list[dict[str, str]]:
    found = json.loads(platform.kubectl("manager", "get", "cluster", "both", "-o", "json").stdout)
    return list(found["status"]["conditions"])

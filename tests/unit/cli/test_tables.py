"""Tables as people see them."""

from __future__ import annotations

from dataclasses import replace

from installer.cli import tables
from installer.hostops.preflight import HOSTS, Report
from installer.workflows.cluster_info import ClusterInfo, Condition, NodeInfo
from installer.workflows.hosts import HostInfo
from installer.workflows.regions import RegionInfo
from installer.workflows.status import PlatformStatus
from tests.conftest import Golden
from tests.unit.hostops.hosts import machine, other

READY = ClusterInfo(
    name="team-a",
    version="1.36.3",
    runs="1.36.3",
    phase="Ready",
    control_plane_ready=2,
    control_plane_wanted=2,
    nodes_ready=1,
    nodes_wanted=1,
    endpoint="https://192.0.2.1:30123",
    created="2026-01-01T00:00:00Z",
    conditions=(Condition("Ready", "True", "Ready", ""),),
    nodes=(NodeInfo("general-1", "general", "worker-1", ready=True),),
)
WAITING = replace(
    READY,
    name="team-b",
    phase="Pending",
    nodes_ready=0,
    endpoint="",
    conditions=(Condition("NodesReady", "False", "Starting", "worker-1 has 1.0 GiB of 9.0 GiB memory free"),),
    nodes=(NodeInfo("general-2", "general", "", ready=False),),
)
HOST = HostInfo(
    name="manager-1",
    role="manager",
    region="home",
    zone="a",
    address="192.0.2.1",
    os="Debian GNU/Linux 13 (trixie)",
    arch="amd64",
    release="0123456789ab",
    problem="",
)
LOST = replace(HOST, name="worker-1", role="worker", os="", release="", problem="cannot reach 192.0.2.2:22")
HOME = RegionInfo(name="home", hosts=2, reachable=1, cut_off_since="", silent=(), problem="")
SOUTH = RegionInfo(
    name="south", hosts=1, reachable=0, cut_off_since="2026-05-04T03:02:01Z", silent=("s",), problem="cut off"
)
STATUS = PlatformStatus(
    name="harbor",
    release="2026.11",
    hosts=(HOST, LOST),
    regions=(HOME,),
    api_servers={"https://192.0.2.1:6443": ""},
    nodes_ready=("manager-1",),
    clusters=(READY, WAITING),
    problems=("host worker-1: cannot reach 192.0.2.2:22", "node worker-1: not ready"),
)


def test_tables(golden: Golden) -> None:
    """Clusters, one cluster, hosts, the whole platform."""
    parts = {
        "clusters": tables.clusters([READY, WAITING]),
        "no clusters": tables.clusters([]),
        "a ready cluster": tables.cluster(READY),
        "a cluster that waits": tables.cluster(WAITING),
        "hosts": tables.hosts([HOST, LOST]),
        "no hosts": tables.hosts([]),
        "status": tables.status(STATUS),
        "status of several regions": tables.status(replace(STATUS, regions=(HOME, SOUTH))),
        "preflight that passes": tables.preflight(Report(HOSTS.run((machine(), other()), frozenset()))),
        "preflight that fails": tables.preflight(
            Report(HOSTS.run((machine(swap=2**30, cpus=1, memory=2**30),), frozenset()))
        ),
    }
    golden("cli/tables.txt", "".join(f"--- {name}\n{text}\n\n" for name, text in parts.items()))


def test_dedicated_hosts_are_no_nodes_of_the_manager() -> None:
    """They are listed with whose they are."""
    metal = replace(HOST, name="metal-1", role="dedicated", cluster="team-a")
    told = tables.status(replace(STATUS, hosts=(*STATUS.hosts, metal)))
    assert "nodes 1/2 ready" in told
    assert "dedicated (team-a)" in told

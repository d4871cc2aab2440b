"""Clusters as VMs and as they are here."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import Node

from installer.core.errors import KubernetesError
from installer.spec.cluster import Cluster
from installer.spec.report import Report, VmSize
from installer.workflows import density
from installer.workflows.density import Amount, HostHere, Parts, PodHere

MI, GI = 2**20, 2**30


def cluster(name: str = "a", *, replicas: int = 1, **pools: dict[str, Any]) -> Cluster:
    """A cluster with these pools."""
    listed = [{"name": pool, "kind": "shared", **values} for pool, values in pools.items()]
    spec = {"version": "1.36.3", "controlPlane": {"replicas": replicas}, "pools": listed}
    return Cluster.model_validate(
        {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}
    )


def pod(host: str, name: str, reserved: Amount, *, cluster: str = "", part: str = "") -> PodHere:
    """A pod of the manager."""
    return PodHere(host, f"cluster-{cluster}" if cluster else "kube-system", name, cluster, part, reserved)


@pytest.mark.parametrize(("replicas", "count"), [(1, 1), (2, 3), (3, 3), (4, 5), (5, 5)])
def test_a_control_plane_is_as_many_vms_as_etcd_has_members(replicas: int, count: int) -> None:
    """What survives a loss needs a majority of three, and more of five."""
    found = density.control_plane_vms(cluster(replicas=replicas), Report())
    assert (found.count, found.size, found.each) == (count, "2-cpu-2-gib", Amount(2000, 2 * GI))


@pytest.mark.parametrize(
    ("cpu", "memory", "size", "each"),
    [
        ("1", "1Gi", "1-cpu-1-gib", Amount(1000, GI)),
        ("250m", "512Mi", "1-cpu-1-gib", Amount(1000, GI)),
        ("1", "1100Mi", "1-cpu-2-gib", Amount(1000, 2 * GI)),
        ("2", "1Gi", "2-cpu-2-gib", Amount(2000, 2 * GI)),
        ("3", "2Gi", "4-cpu-16-gib", Amount(4000, 16 * GI)),
        ("64", "1Gi", "custom", Amount(64_000, GI)),
        ("1", "1Ti", "custom", Amount(1000, 1024 * GI)),
    ],
)
def test_a_node_is_the_smallest_vm_that_will_do(cpu: str, memory: str, size: str, each: Amount) -> None:
    """In CPU and in memory; memory decides among those, as it does on a bill."""
    (found,) = (
        density.compare("p", Report(), [cluster(general={"cpu": cpu, "memory": memory, "count": 3})], [], [])
        .clusters[0]
        .pools
    )
    assert (found.what, found.size, found.count, found.each) == ("general", size, 3, each)


def test_sizes_of_the_specification_are_the_only_ones() -> None:
    """A user's table replaces ours."""
    sizes = (VmSize(name="huge", cpu="64", memory="256Gi"), VmSize(name="odd", cpu="3", memory="5Gi"))
    found = density.compare("p", Report(vm_sizes=sizes), [cluster(general={"count": 0}, more={})], [], [])
    assert [(vms.what, vms.size) for vms in found.clusters[0].vms] == [("control plane", "odd"), ("more", "odd")]


def test_what_is_used_is_measured_and_else_reserved() -> None:
    """By host: one whose kubelet answers, with a pod that it has not measured yet, and one that does not answer."""
    pods = [
        pod("one", "api", Amount(75, 225 * MI), cluster="a", part="control-plane"),
        pod("one", "n-1", Amount(50, GI), cluster="a", part="node"),
        pod("one", "new", Amount(50, GI), cluster="b", part="node"),
        pod("one", "dns", Amount(20, 32 * MI)),
        pod("two", "n-2", Amount(50, GI), cluster="a", part="node"),
        pod("two", "etcd", Amount(50, 64 * MI)),
    ]
    hosts = [
        HostHere(
            "one",
            Amount(100, 256 * MI),
            Amount(900, 4 * GI),
            {("cluster-a", "api"): Amount(30, 300 * MI), ("cluster-a", "n-1"): Amount(20, 200 * MI)},
        ),
        HostHere("two", Amount(100, 256 * MI)),
    ]
    found = density.compare("p", Report(), [cluster("b"), cluster("a")], hosts, pods)
    assert [one.name for one in found.clusters] == ["a", "b"]
    assert found.clusters[0].used == Parts(Amount(30, 300 * MI), Amount(70, GI + 200 * MI))
    assert found.clusters[0].reserved == Parts(Amount(75, 225 * MI), Amount(100, 2 * GI))
    assert found.clusters[1].used == Parts(Amount(), Amount(50, GI))
    # What host one uses beside clusters, and what host two keeps back and has reserved beside them.
    assert found.shared == Amount(900 - 100, 4 * GI - 1524 * MI) + Amount(150, 320 * MI)
    assert found.not_measured == ("two",)
    assert found.all_used == found.used.both + found.shared


@pytest.mark.parametrize(
    ("summary", "amount"),
    [
        ({"cpu": {"usageNanoCores": 61_499_999}, "memory": {"workingSetBytes": 5}}, Amount(61, 5)),
        ({"cpu": {"usageNanoCores": 0}, "memory": {"workingSetBytes": 0}}, Amount(0, 0)),
        ({"cpu": {}, "memory": {"workingSetBytes": 5}}, None),
        ({"cpu": {"usageNanoCores": 5}}, None),
        ({}, None),
    ],
)
def test_a_kubelet_that_has_not_measured_both_has_measured_nothing(
    summary: dict[str, Any], amount: Amount | None
) -> None:
    """Its first sample of CPU takes some seconds."""
    assert density.measured(summary) == amount


def test_a_host_by_its_node_and_its_kubelet() -> None:
    """What is kept back is what pods cannot have; pods come by namespace and name."""
    sizes = {"capacity": {"cpu": "4", "memory": "8Gi"}, "allocatable": {"cpu": "3900m", "memory": "7936Mi"}}
    node = from_dict({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w"}, "status": sizes})
    assert isinstance(node, Node)
    sample = {"cpu": {"usageNanoCores": 2_000_000}, "memory": {"workingSetBytes": 7}}
    pods = [
        {"podRef": {"namespace": "x", "name": "measured"}, **sample},
        {"podRef": {"namespace": "x", "name": "young"}},
    ]
    kept_back = Amount(100, 256 * MI)
    assert density.host_here(node, {"node": sample, "pods": pods}) == HostHere(
        "w", kept_back, Amount(2, 7), {("x", "measured"): Amount(2, 7)}
    )
    assert density.host_here(node, KubernetesError("no answer")) == HostHere("w", kept_back)
    assert density.host_here(node, {"pods": pods}) == HostHere("w", kept_back)

"""What holds for regions in every cloud: balancers of clusters' ports, dedicated hosts, disks, GPUs."""

from __future__ import annotations

import pytest

from tests.unit.spec.conftest import FaultsOf
from tests.unit.spec.documents import aws, azure, cluster, gcp

_AT = "6: spec.regions[0].provider.access.clusterBalancer: "
_FEW = "  manager: {network: {ports: [30000, 30019]}}\n"


def _access(text: str, more: str) -> str:
    return text.replace("sources: [192.0.2.0/24]", f"sources: [192.0.2.0/24], {more}")


@pytest.mark.parametrize(
    "text",
    [
        _access(aws(spec=_FEW), "published: [0.0.0.0/0], clusterBalancer: public"),
        _access(azure(), "published: [10.0.0.0/8], clusterBalancer: internal"),
        _access(gcp(), "published: [10.0.0.0/8], clusterBalancer: public"),
        _access(gcp(), "published: [10.0.0.0/8], clusterBalancer: public, public: true"),
        aws(hosts="{name: m, role: manager, volumes: [{mount: /var/lib/etcd, size: 20Gi, type: io2, iops: 4000}]}"),
        azure(hosts="{name: m, role: manager}, {name: g, role: dedicated, size: Standard_NC4as_T4_v3}"),
        gcp(
            hosts="{name: m, role: manager}, {name: g, role: dedicated, machineType: n1-standard-8, "
            "gpu: {type: nvidia-tesla-t4, count: 2}}, {name: l, role: dedicated, machineType: g2-standard-4}"
        ),
        gcp(hosts="{name: m, role: manager}, {name: d, role: dedicated, spot: true}")
        + cluster(pools="{name: gpu, kind: dedicated, hosts: [d-1]}"),
    ],
)
def test_what_is_right_passes(faults_of: FaultsOf, text: str) -> None:
    """Few ports where each is a rule of its own, many where ranges are; whole hosts for one cluster."""
    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (_access(aws(spec=_FEW), "clusterBalancer: public"), "is for nobody: access.published names who may use it"),
        (
            _access(azure(), "published: [10.0.0.0/8], clusterBalancer: internal, public: true"),
            "is inside a network whose hosts are public",
        ),
        (
            _access(gcp(hosts="{name: w, role: worker}"), "published: [10.0.0.0/8], clusterBalancer: internal"),
            "leads to managers, and this region has none",
        ),
        (
            _access(aws(), "published: [10.0.0.0/8], clusterBalancer: internal"),
            "has 49 ports at most here; spec.manager.network.ports has 2768",
        ),
        (_access(azure(), "published: [10.0.0.0/8], clusterBalancer: public"), "has 299 ports at most here"),
    ],
)
def test_a_balancer_that_cannot_be_is_told(faults_of: FaultsOf, text: str, fault: str) -> None:
    """At the balancer, with what is in its way."""
    assert any(found.startswith(_AT + fault) for found in faults_of(text)), faults_of(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            aws(hosts="{name: m, role: manager, volumes: [{mount: /var/lib/etcd}, {mount: /var/lib/etcd}]}"),
            "volumes[1].mount: has a disk already",
        ),
        (
            azure(hosts="{name: w, role: worker, volumes: [{mount: /var/lib/etcd}]}, {name: m, role: manager}"),
            "volumes[0].mount: is for managers",
        ),
        (aws(hosts="{name: m, role: manager, volumes: [{mount: /srv}]}"), "volumes[0].mount: must be '/var/lib/"),
        (
            aws(hosts="{name: m, role: manager, volumes: [{mount: /var/lib/etcd, type: io2}]}"),
            "volumes[0]: iops is required for io2",
        ),
        (
            gcp(hosts="{name: m, role: manager, volumes: [{mount: /var/lib/etcd, iops: 4000}]}"),
            "volumes[0].iops: is for hyperdisk-balanced",
        ),
        (
            aws(hosts="{name: g, role: worker, instanceType: g6.xlarge}, {name: m, role: manager}"),
            "role: must be dedicated for machines with GPUs",
        ),
        (
            azure(hosts="{name: g, role: worker, size: Standard_ND96asr_v4}, {name: m, role: manager}"),
            "role: must be dedicated for machines with GPUs",
        ),
        (
            gcp(hosts="{name: g, role: worker, machineType: a2-highgpu-1g}, {name: m, role: manager}"),
            "role: must be dedicated for machines with GPUs",
        ),
        (
            gcp(hosts="{name: g, role: dedicated, gpu: {type: nvidia-tesla-t4}}, {name: m, role: manager}"),
            "gpu: is for machines of type n1; others come with theirs",
        ),
    ],
)
def test_disks_and_gpus_that_cannot_be_are_told(faults_of: FaultsOf, text: str, fault: str) -> None:
    """At the group that asks for them."""
    assert any(found.startswith(f"6: spec.regions[0].hosts[0].{fault}") for found in faults_of(text)), faults_of(text)


def test_a_public_balancer_has_a_subnet_in_each_zone_of_managers(faults_of: FaultsOf) -> None:
    """One that is there already may have none for it."""
    ids = "network: {vpc: vpc-01234567, subnets: {a: subnet-0000000a, b: subnet-0000000b, c: subnet-0000000c}"
    text = aws(f"{ids}, publicSubnets: {{a: subnet-000000aa}}}}", spec=_FEW)
    found = faults_of(_access(text, "published: [10.0.0.0/8], clusterBalancer: public"))
    assert any("publicSubnets: has no subnet for the public balancer before managers in b, c" in one for one in found)

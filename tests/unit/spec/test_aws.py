"""Regions on AWS: what is refused, by line and path; how hosts are spread; what may change."""

from __future__ import annotations

import pytest

from installer.spec import leaving
from installer.spec.changes import check_change
from installer.spec.hosts import wanted_hosts
from tests.unit.spec.conftest import FaultsOf, Write, load_text
from tests.unit.spec.documents import aws, cluster, platform

_M = "{name: m, role: manager}"
_IDS = "vpc: vpc-01234567"
_SUBNETS = "{a: subnet-0000000a, b: subnet-0000000b, c: subnet-0000000c}"
_EXISTING = f"network: {{{_IDS}, subnets: {_SUBNETS}, publicSubnets: {{a: subnet-000000aa}}}}"


@pytest.mark.parametrize(
    "text",
    [
        aws(),
        aws("network: {cidr: 172.20.0.0/20, nat: none}, image: {family: ubuntu-24.04}, backups: {}, tags: {a b: c}"),
        aws(_EXISTING),
        aws(hosts=f"{_M}, {{name: w, role: worker, spot: true, disk: {{size: 1Ti, type: io2, iops: 20000}}}}"),
        aws().replace("192.0.2.0/24]", "192.0.2.0/24], published: [0.0.0.0/0]"),
    ],
)
def test_what_is_right_passes(faults_of: FaultsOf, text: str) -> None:
    """Networks of one's own and others', images, disks, and clusters that everybody may reach."""
    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            aws().replace("192.0.2.0/24", "0.0.0.0/0"),
            "provider.access.sources[0]: is open to (nearly) everybody; SSH is for known addresses: a /8 or smaller",
        ),
        (aws().replace("192.0.2.0/24", "0.0.0.0/1"), "provider.access.sources[0]: is open to (nearly) everybody"),
        (aws().replace("[192.0.2.0/24]", "[]"), "provider.access.sources: must not be empty"),
        (platform(regions="{name: x, provider: {kind: aws, region: eu-central-1}, hosts: []}"), "provider.access: is"),
        (aws().replace("eu-central-1", "Frankfurt"), "provider.region: must be a region of AWS, such as eu-central-1"),
        (aws("network: {cidr: 10.0.0.0/8}"), "provider.network.cidr: must be between a /16 and a /24"),
        (aws("network: {cidr: 10.128.0.0/16}"), "provider.network.cidr: overlaps"),
        (aws("network: {cidr: 10.64.0.0/16, gateway: x}"), "provider.network.gateway: unknown key"),
        (aws("network: {vpc: vpc-1, subnets: {a: b}}"), "provider.network.vpc: must be the id of a VPC, such as vpc-0"),
        (aws(f"network: {{{_IDS}}}"), "provider.network.subnets: is required"),
        (aws(f"network: {{{_IDS}, subnets: {_SUBNETS}}}"), "provider.network: publicSubnets is required: the bastion"),
        (
            aws(_EXISTING, hosts="{name: m, role: manager, zones: [a, d, e]}"),
            "hosts[0].zones: provider.network.subnets has no subnet for d, e",
        ),
        (
            aws(_EXISTING).replace("192.0.2.0/24]", "192.0.2.0/24], public: true"),
            "hosts[0].zones: provider.network.publicSubnets has no subnet for b, c",
        ),
        (aws(hosts="{name: m, role: manager, spot: true}"), "hosts[0].spot: is for workers: a manager holds data"),
        (aws(hosts="{name: m, role: manager, zones: [eu-central-1a]}"), "hosts[0].zones[0]: must be the letter of a"),
        (aws(hosts="{name: m, role: manager, disk: {type: io2}}"), "hosts[0].disk: iops is required for io2"),
        (aws(hosts="{name: m, role: manager, disk: {iops: 17000}}"), "hosts[0].disk.iops: gp3 has 16000 at most"),
        (aws(hosts="{name: m, role: manager, instanceType: large}"), "hosts[0].instanceType: must be an instance type"),
        (
            aws().replace("192.0.2.0/24]", "192.0.2.0/24], keys: [mine]"),
            "provider.access.keys[0]: must be a public SSH",
        ),
        (aws('tags: {"aws:x": y}'), "provider.tags.aws:x: is reserved by AWS"),
        (aws("image: {id: debian}"), "provider.image.id: must be the id of an image"),
    ],
)
def test_what_is_not_is_told_by_path(faults_of: FaultsOf, text: str, fault: str) -> None:
    """The first is enough here."""
    assert any(found.startswith(f"6: spec.regions[0].{fault}") for found in faults_of(text)), faults_of(text)


def test_a_clusters_ranges_are_not_the_networks(faults_of: FaultsOf) -> None:
    """Hosts would reach their own neighbours in place of pods."""
    text = aws() + cluster(spec="  network: {pods: 10.64.0.0/16}\n")
    assert any("spec.network.pods: overlaps the network of region cloud" in found for found in faults_of(text))


def test_hosts_are_spread_over_zones(write: Write) -> None:
    """In turn, group by group."""
    found = load_text(write, aws(hosts=f"{_M}, {{name: w, role: worker, count: 4}}")).platform
    assert found
    assert [(host.name, host.zone) for host in wanted_hosts(found)] == [
        ("m-1", "a"),
        ("w-1", "a"),
        ("w-2", "b"),
        ("w-3", "c"),
        ("w-4", "a"),
    ]


def test_hosts_that_are_no_longer_named_are_kept_at_first(write: Write) -> None:
    """As everywhere: a group that gets smaller, and one that is gone."""
    before = load_text(
        write, aws(hosts=f"{_M}, {{name: w, role: worker, count: 3}}, {{name: v, role: worker}}")
    ).platform
    now = load_text(write, aws(hosts=f"{_M}, {{name: w, role: worker, count: 1}}")).platform
    assert before
    assert now
    assert [host.name for host in wanted_hosts(leaving.keeping(before, now))] == ["m-1", "w-1", "w-2", "w-3", "v-1"]


@pytest.mark.parametrize(
    "new",
    [
        aws("image: {family: ubuntu-24.04}, tags: {a: b}, network: {nat: zone}, backups: {keep: false}"),
        aws(hosts="{name: m, role: manager, count: 5}, {name: w, role: worker, spot: true}"),
        aws().replace("192.0.2.0/24]", "198.51.100.0/24], published: [0.0.0.0/0]"),
    ],
)
def test_what_may_change_changes(write: Write, new: str) -> None:
    """Hosts that are there keep their image; others come with the new one."""
    assert check_change(load_text(write, aws()), load_text(write, new)) == ()


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (aws().replace("eu-central-1", "eu-west-1"), "provider.region"),
        (aws("network: {cidr: 10.65.0.0/16}"), "provider.network.cidr"),
        (aws(_EXISTING), "provider.network"),
        (aws().replace("192.0.2.0/24]", "192.0.2.0/24], public: true"), "provider.access.public"),
        (aws(hosts="{name: m, role: manager, count: 3, instanceType: m7i.xlarge}"), "hosts[0].instanceType"),
        (aws(hosts="{name: m, role: manager, count: 3, disk: {size: 99Gi}}"), "hosts[0].disk.size"),
    ],
)
def test_what_would_make_hosts_anew_may_not(write: Write, new: str, path: str) -> None:
    """Another group is added, and this one is taken out."""
    (fault,) = check_change(load_text(write, aws()), load_text(write, new))
    assert str(fault).endswith(f"spec.regions[0].{path}: may not change after creation")

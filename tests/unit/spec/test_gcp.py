"""Regions on Google Cloud: what is refused, by line and path; how hosts are spread; what may change."""

from __future__ import annotations

import pytest

from installer.spec import leaving
from installer.spec.changes import check_change
from installer.spec.hosts import wanted_hosts
from tests.unit.spec.conftest import FaultsOf, Write, load_text
from tests.unit.spec.documents import cluster, gcp

_M = "{name: m, role: manager}"
_HYPER = "disk: {type: hyperdisk-balanced, iops: 9000}"
_IMAGE = "image: {name: projects/my-images/global/images/family/hosts}"


@pytest.mark.parametrize(
    "text",
    [
        gcp(),
        gcp("network: {cidr: 172.20.0.0/20, nat: none}, image: {family: ubuntu-22.04}, backups: {}, labels: {a: b}"),
        gcp("network: {subnet: hosts}"),
        gcp(_IMAGE),
        gcp(hosts=f"{_M}, {{name: w, role: worker, spot: true, machineType: n4-highmem-8, {_HYPER}}}"),
        gcp(hosts=f"{_M}, {{name: w, role: worker, machineType: n2-custom-4-8192, disk: {{type: pd-ssd}}}}"),
        gcp().replace("192.0.2.0/24]", "192.0.2.0/24], published: [0.0.0.0/0]"),
    ],
)
def test_what_is_right_passes(faults_of: FaultsOf, text: str) -> None:
    """Networks of one's own and others', images, disks, and clusters that everybody may reach."""
    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (gcp().replace("192.0.2.0/24", "0.0.0.0/0"), "provider.access.sources[0]: is open to (nearly) everybody"),
        (gcp().replace("example-123456", "Harbor"), "provider.project: must be the id of a project"),
        (gcp().replace("europe-west3", "europe-west3-a"), "provider.region: must be a region of Google Cloud"),
        (gcp("network: {cidr: 10.0.0.0/8}"), "provider.network.cidr: must be between a /16 and a /24"),
        (gcp("network: {cidr: 10.128.0.0/16}"), "provider.network.cidr: overlaps"),
        (gcp("network: {cidr: 10.64.0.0/16, nat: zone}"), "provider.network.nat: must be 'none' or 'region'"),
        (gcp("network: {subnet: Hosts}"), "provider.network.subnet: must be the name of a subnet"),
        (gcp("image: {family: debian-13}"), "provider.image.family: must be 'ubuntu-24.04' or 'ubuntu-22.04'"),
        (gcp("image: {name: debian}"), "provider.image.name: must be an image, such as projects/P/global/images/I"),
        (gcp("labels: {Team: x}"), "provider.labels.Team: must be lower-case letters"),
        (gcp("labels: {team: X}"), "provider.labels.team: may have lower-case letters"),
        (gcp("labels: {goog-x: x}"), "provider.labels.goog-x: is reserved by Google"),
        (gcp("tags: {a: b}"), "provider.tags: unknown key"),
        (gcp(hosts="{name: m, role: manager, zones: [europe-west3-a]}"), "hosts[0].zones[0]: must be the letter of a"),
        (
            gcp(hosts=f"{{name: {'m' * 32}, role: manager}}").replace("harbor}", f"{'h' * 32}}}"),
            "hosts[0].name: is 67 characters long with the platform's name; 63 are allowed",
        ),
        (gcp(hosts="{name: m, role: manager, spot: true}"), "hosts[0].spot: is for workers: a manager holds data"),
        (gcp(hosts="{name: m, role: manager, machineType: large}"), "hosts[0].machineType: must be a machine type"),
        (gcp(hosts="{name: m, role: manager, machineType: t2a-standard-4}"), "hosts[0].machineType: is of ARM"),
        (gcp(hosts="{name: m, role: manager, machineType: c4-standard-4}"), "hosts[0].disk: type must be hyperdisk-b"),
        (gcp(hosts=f"{{name: m, role: manager, {_HYPER}}}"), "hosts[0].disk.type: is not for machines of type n2"),
        (gcp(hosts="{name: m, role: manager, disk: {iops: 3000}}"), "hosts[0].disk.iops: is for hyperdisk-balanced"),
    ],
)
def test_what_is_not_is_told_by_path(faults_of: FaultsOf, text: str, fault: str) -> None:
    """The first is enough here."""
    assert any(found.startswith(f"6: spec.regions[0].{fault}") for found in faults_of(text)), faults_of(text)


def test_a_clusters_ranges_are_not_the_networks(faults_of: FaultsOf) -> None:
    """Hosts would reach their own neighbours in place of pods."""
    text = gcp() + cluster(spec="  network: {pods: 10.64.0.0/16}\n")
    assert any("spec.network.pods: overlaps the network of region cloud" in found for found in faults_of(text))


def test_hosts_are_spread_over_zones_and_kept_at_first(write: Write) -> None:
    """In turn, group by group; those that are no longer named, too, as everywhere."""
    before = load_text(write, gcp(hosts=f"{_M}, {{name: w, role: worker, count: 4}}")).platform
    now = load_text(write, gcp(hosts=f"{_M}, {{name: w, role: worker, count: 1}}")).platform
    assert before
    assert now
    assert [(host.name, host.zone) for host in wanted_hosts(leaving.keeping(before, now))] == [
        ("m-1", "a"),
        ("w-1", "a"),
        ("w-2", "b"),
        ("w-3", "c"),
        ("w-4", "a"),
    ]


@pytest.mark.parametrize(
    "new",
    [
        gcp("image: {family: ubuntu-22.04}, labels: {a: b}, network: {nat: none}, backups: {keep: false}"),
        gcp(hosts="{name: m, role: manager, count: 5}, {name: w, role: worker, spot: true}"),
        gcp().replace("192.0.2.0/24]", "198.51.100.0/24], published: [0.0.0.0/0]"),
    ],
)
def test_what_may_change_changes(write: Write, new: str) -> None:
    """Hosts that are there keep their image; others come with the new one."""
    assert check_change(load_text(write, gcp()), load_text(write, new)) == ()


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (gcp().replace("example-123456", "quay-123456"), "provider.project"),
        (gcp().replace("europe-west3", "europe-west4"), "provider.region"),
        (gcp("network: {cidr: 10.65.0.0/16}"), "provider.network.cidr"),
        (gcp("network: {subnet: hosts}"), "provider.network"),
        (gcp().replace("192.0.2.0/24]", "192.0.2.0/24], public: true"), "provider.access.public"),
        (gcp(hosts="{name: m, role: manager, count: 3, machineType: e2-standard-4}"), "hosts[0].machineType"),
        (gcp(hosts="{name: m, role: manager, count: 3, disk: {size: 99Gi}}"), "hosts[0].disk.size"),
    ],
)
def test_what_would_make_hosts_anew_may_not(write: Write, new: str, path: str) -> None:
    """Another group is added, and this one is taken out."""
    (fault,) = check_change(load_text(write, gcp()), load_text(write, new))
    assert str(fault).endswith(f"spec.regions[0].{path}: may not change after creation")

"""Regions on Azure: what is refused, by line and path; how hosts are spread; what may change."""

from __future__ import annotations

import pytest

from installer.spec import leaving
from installer.spec.changes import check_change
from installer.spec.hosts import wanted_hosts
from tests.unit.spec.conftest import FaultsOf, Write, load_text
from tests.unit.spec.documents import aws, azure, cluster

_M = "{name: m, role: manager}"
_NETS = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/shared/providers/Microsoft.Network"
_SUBNET = f"subnet: {_NETS}/virtualNetworks/all/subnets/apps"
_EXISTING = f"network: {{{_SUBNET}, bastionSubnet: {_NETS}/virtualNetworks/all/subnets/edge}}"
_IMAGE = _NETS.replace("Network", "Compute") + "/galleries/ours/images/debian/versions/1.0.0"


@pytest.mark.parametrize(
    "text",
    [
        azure(),
        azure("network: {cidr: 172.20.0.0/20, nat: none}, image: {family: ubuntu-24.04}, backups: {}, tags: {a b: ä}"),
        azure(_EXISTING),
        azure(f"network: {{{_SUBNET}}}").replace("192.0.2.0/24]", "192.0.2.0/24], public: true"),
        azure(f"image: {{id: {_IMAGE}}}, locks: false"),
        azure(hosts=f"{_M}, {{name: w, role: worker, spot: true, size: Standard_E4as_v5, encryptionAtHost: true}}"),
        azure().replace("192.0.2.0/24]", "192.0.2.0/24], published: [0.0.0.0/0]"),
        azure("network: {cidr: 10.64.0.0/24}", hosts=f"{_M}, {{name: w, role: worker, count: 121}}"),
    ],
)
def test_what_is_right_passes(faults_of: FaultsOf, text: str) -> None:
    """Networks of one's own and others', images, disks, and clusters that everybody may reach."""
    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (azure().replace("192.0.2.0/24", "0.0.0.0/0"), "provider.access.sources[0]: is open to (nearly) everybody"),
        (azure().replace("westeurope", "West Europe"), "provider.location: must be a region of Azure, such as west"),
        (azure("subscription: mine"), "provider.subscription: must be the id of a subscription"),
        (azure("network: {cidr: 10.0.0.0/8}"), "provider.network.cidr: must be between a /16 and a /24"),
        (azure("network: {cidr: 10.128.0.0/16}"), "provider.network.cidr: overlaps"),
        (azure("network: {nat: zone}"), "provider.network.nat: must be 'none' or 'one'"),
        (azure("network: {subnet: apps}"), "provider.network.subnet: must be the id of a subnet: /subscriptions/"),
        (azure(f"network: {{{_SUBNET}}}"), "provider.network: bastionSubnet is required: the bastion"),
        (
            azure(_EXISTING.replace("all/subnets/edge", "other/subnets/edge")),
            "provider.network.bastionSubnet: is of another network than subnet",
        ),
        (
            azure("network: {cidr: 10.64.0.0/24}", hosts=f"{_M}, {{name: w, role: worker, count: 122}}"),
            "provider.network.cidr: has room for 122 hosts, 123 are asked for",
        ),
        (azure(hosts="{name: m, role: manager, spot: true}"), "hosts[0].spot: is for workers: a manager holds data"),
        (azure(hosts="{name: m, role: manager, zones: [1]}"), "hosts[0].zones[0]: must be text; put it in quotes"),
        (azure(hosts='{name: m, role: manager, zones: ["4"]}'), "hosts[0].zones[0]: must be the number of a zone"),
        (azure(hosts="{name: m, role: manager, size: D2s}"), "hosts[0].size: must be a size of virtual machines"),
        (azure(hosts="{name: m, role: manager, disk: {iops: 5000}}"), "hosts[0].disk.iops: unknown key"),
        (azure(hosts="{name: m, role: manager, disk: {type: io2}}"), "hosts[0].disk.type: must be 'Premium_LRS' or"),
        (azure('tags: {"a/b": y}'), "provider.tags.a/b: may not have any of < > % & \\ ? /"),
        (azure("tags: {windows: y}"), "provider.tags.windows: begins with a word that is reserved by Azure"),
        (azure("image: {id: debian}"), "provider.image.id: must be the id of an image"),
    ],
)
def test_what_is_not_is_told_by_path(faults_of: FaultsOf, text: str, fault: str) -> None:
    """The first is enough here."""
    assert any(found.startswith(f"6: spec.regions[0].{fault}") for found in faults_of(text)), faults_of(text)


def test_a_clusters_ranges_are_not_the_networks(faults_of: FaultsOf) -> None:
    """Hosts would reach their own neighbours in place of pods."""
    text = azure() + cluster(spec="  network: {pods: 10.64.0.0/16}\n")
    assert any("spec.network.pods: overlaps the network of region cloud" in found for found in faults_of(text))


def test_hosts_are_spread_over_zones_and_kept_at_first(write: Write) -> None:
    """In turn, group by group; those that are no longer named stay until they are empty."""
    before = load_text(write, azure(hosts=f"{_M}, {{name: w, role: worker, count: 4}}")).platform
    now = load_text(write, azure(hosts=f"{_M}, {{name: w, role: worker, count: 1}}")).platform
    assert before
    assert now
    zones = [("m-1", "1"), ("w-1", "1"), ("w-2", "2"), ("w-3", "3"), ("w-4", "1")]
    assert [(host.name, host.zone) for host in wanted_hosts(before)] == zones
    assert [(host.name, host.zone) for host in wanted_hosts(leaving.keeping(before, now))] == zones


def test_a_region_of_another_cloud_keeps_nothing(write: Write) -> None:
    """Its groups are none of this one's; the change is refused elsewhere, by name."""
    before, now = load_text(write, aws()), load_text(write, azure())
    assert before.platform
    assert now.platform
    assert leaving.keeping(before.platform, now.platform) == now.platform
    assert any("spec.regions[0].provider" in str(fault) for fault in check_change(before, now))


@pytest.mark.parametrize(
    "new",
    [
        azure(
            "image: {family: ubuntu-24.04}, tags: {a: b}, network: {nat: none}, backups: {keep: false}, locks: false"
        ),
        azure(hosts="{name: m, role: manager, count: 5}, {name: w, role: worker, spot: true}"),
        azure().replace("192.0.2.0/24]", "198.51.100.0/24], published: [0.0.0.0/0]"),
    ],
)
def test_what_may_change_changes(write: Write, new: str) -> None:
    """Hosts that are there keep their image; others come with the new one."""
    assert check_change(load_text(write, azure()), load_text(write, new)) == ()


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (azure().replace("westeurope", "northeurope"), "provider.location"),
        (azure("network: {cidr: 10.65.0.0/16}"), "provider.network.cidr"),
        (azure(_EXISTING), "provider.network"),
        (azure().replace("192.0.2.0/24]", "192.0.2.0/24], public: true"), "provider.access.public"),
        (azure(hosts="{name: m, role: manager, count: 3, size: Standard_D4s_v5}"), "hosts[0].size"),
        (azure(hosts="{name: m, role: manager, count: 3, disk: {size: 99Gi}}"), "hosts[0].disk.size"),
    ],
)
def test_what_would_make_hosts_anew_may_not(write: Write, new: str, path: str) -> None:
    """Another group is added, and this one is taken out."""
    (fault,) = check_change(load_text(write, azure()), load_text(write, new))
    assert str(fault).endswith(f"spec.regions[0].{path}: may not change after creation")

"""Examples in clouds, as they are in the repository: what `preview` would make, and that it breaks no policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from installer.spec.aws import AwsRegion
from installer.spec.azure import AzureRegion
from installer.spec.gcp import GcpRegion
from installer.spec.hosts import hosts_of, wanted_hosts
from installer.spec.platform import Platform
from installer.spec.specification import load
from installer.workflows.infrastructure import Infrastructure
from installer.workflows.state_location import StateLocation
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure, give_network
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.gcp import Gcp
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served
from tests.stacks.mocked import run
from tests.stacks.policy import breaches

_EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "cloud", "zones", "wanted"),
    [
        (
            "03-aws-three-zones",
            Aws,
            "abc",
            {"Instance": 7, "NatGateway": 3, "Bastion": 1, "LoadBalancer": 1, "Bucket": 1},
        ),
        (
            "04-azure-three-zones",
            Azure,
            "123",
            {"VirtualMachine": 7, "NatGateway": 1, "Bastion": 1, "LoadBalancer": 1, "StorageAccount": 1},
        ),
    ],
)
def test_three_zones(
    *,
    example: str,
    cloud: type[Cloud],
    zones: str,
    wanted: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host of each role in each zone, one bastion, one balancer; nothing is made by a preview."""
    platform = load(_EXAMPLES / example).platform
    assert platform
    hosts = wanted_hosts(platform)
    assert sorted((host.role, host.zone) for host in hosts) == [(r, z) for r in ("manager", "worker") for z in zones]
    assert _would_be_made(platform, FakeCloud(Account(cloud())), tmp_path, monkeypatch, kinds=wanted) == wanted


def test_gcp_with_spot_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of six workers are spot instances, which no manager is; each host has a disk and an address of its own."""
    platform = load(_EXAMPLES / "05-gcp-spot-workers").platform
    assert platform
    (region,) = platform.spec.regions
    assert isinstance(region, GcpRegion)
    assert [(group.role, group.count) for group in region.hosts if group.spot] == [("worker", 4)]
    wanted = {"Instance": 10, "Disk": 9, "Address": 10, "RouterNat": 1, "Bastion": 1, "ForwardingRule": 1, "Bucket": 1}
    assert _would_be_made(platform, FakeCloud(Account(Gcp())), tmp_path, monkeypatch, kinds=wanted) == wanted


def test_azure_and_a_hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts in a network that exists, which lets in those of the hall; etcd has a disk; no gateway of our own."""
    platform = load(_EXAMPLES / "07-azure-and-on-prem").platform
    assert platform
    cloud, hall = platform.spec.regions
    assert isinstance(cloud, AzureRegion)
    wanted = {"VirtualMachine": 7, "NatGateway": 0, "VirtualNetwork": 0, "Bastion": 1, "LoadBalancer": 1}
    alone = platform.model_copy(update={"spec": platform.spec.model_copy(update={"regions": (cloud,)})})
    azure = FakeCloud(Account(Azure()))
    give_network(azure.account, "10.20.0.0/16", "10.20.0.0/20", "10.20.240.0/20")
    assert _would_be_made(alone, azure, tmp_path, monkeypatch, kinds=wanted) == wanted
    inside = {IPv4Address(host.address) for host in hosts_of(hall) if host.address}
    assert all(any(address in network for network in cloud.provider.access.joined) for address in inside)
    assert {host.role for host in hosts_of(hall)} == {"worker"}


@pytest.mark.parametrize("index", range(3))
def test_three_regions_of_aws(index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alike, with a balancer inside and one for twenty clusters; each lets in the networks of the other two."""
    platform = load(_EXAMPLES / "08-aws-three-regions").platform
    assert platform
    regions = platform.spec.regions
    assert all(isinstance(region, AwsRegion) for region in regions)
    ranges = [region.provider.network.cidr for region in regions]  # type: ignore[union-attr]
    chosen = regions[index]
    assert isinstance(chosen, AwsRegion)
    assert sorted(chosen.provider.access.joined) == sorted(set(ranges) - {ranges[index]})
    zones = {"d": "c"}  # the fake has one region, with three zones
    hosts = tuple(g.model_copy(update={"zones": tuple(zones.get(z, z) for z in g.zones)}) for g in chosen.hosts)
    provider = chosen.provider.model_copy(update={"region": Aws.region})
    alone = chosen.model_copy(update={"provider": provider, "hosts": hosts})
    platform = platform.model_copy(update={"spec": platform.spec.model_copy(update={"regions": (alone,)})})
    wanted = {"Instance": 5, "Volume": 1, "NatGateway": 1, "LoadBalancer": 2, "Listener": 21, "Bucket": 1}
    assert _would_be_made(platform, FakeCloud(Account(Aws())), tmp_path, monkeypatch, kinds=wanted) == wanted


def test_thirty_terminals() -> None:
    """Each is a region of one machine, which is the node of a cluster of its own; all are alike."""
    specification = load(_EXAMPLES / "09-thirty-terminals")
    platform = specification.platform
    assert platform
    centre, *terminals = platform.spec.regions
    assert Counter(host.role for host in hosts_of(centre)) == {"manager": 3, "worker": 3}
    assert len(terminals) == len(specification.clusters) == 30
    sites = {cluster.name: pool.hosts for cluster in specification.clusters for pool in cluster.spec.dedicated_pools}
    assert sites == {region.name: tuple(host.name for host in hosts_of(region)) for region in terminals}
    assert not any(cluster.spec.shared_pools for cluster in specification.clusters)
    region = terminals[6]
    seen = {"site-07": {"hostKey": "ssh-ed25519 site-07", "machineId": "site-07", "arch": "amd64"}}
    config = {"platform": platform.name, "region": region.model_dump_json(by_alias=True)}
    assert [host.role for host in run("onprem", config, outputs=seen).region.hosts] == ["dedicated"]


def _would_be_made(
    platform: Platform, fake: FakeCloud, folder: Path, monkeypatch: pytest.MonkeyPatch, *, kinds: Iterable[str]
) -> dict[str, int]:
    """How many of each of these kinds, in the only region of a platform."""
    with served(fake) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"{fake.account.cloud.package}:{port}")
        state = StateLocation.parse(str(folder))
        changes = Infrastructure(platform, folder, state).preview()[platform.spec.regions[0].name]
    assert breaches(list(fake.planned.values())) == []
    assert fake.wrong == []
    assert fake.account.left() == []
    made = [change.type.rpartition(":")[2] for change in changes if change.op == "create"]
    return {kind: made.count(kind) for kind in kinds}


def test_three_racks() -> None:
    """A third of each kind in each rack, whole machines for one cluster, and nothing is asked for outside."""
    specification = load(_EXAMPLES / "06-three-racks-air-gapped")
    platform = specification.platform
    assert platform
    racks = Counter((host.role, host.zone) for host in wanted_hosts(platform))
    assert {(role, count) for (role, _), count in racks.items()} == {("manager", 1), ("worker", 2), ("dedicated", 1)}
    dedicated = [name for cluster in specification.clusters for p in cluster.spec.dedicated_pools for name in p.hosts]
    assert dedicated == ["gpu-1", "gpu-2"]
    assert all(not one.upstream for cluster in specification.clusters for one in cluster.spec.registries)
    (region,) = platform.spec.regions
    names = [host.name for host in wanted_hosts(platform)]
    seen = {name: {"hostKey": f"ssh-ed25519 {name}", "machineId": name, "arch": "amd64"} for name in names}
    config = {"platform": platform.name, "region": region.model_dump_json(by_alias=True)}
    assert [host.name for host in run("onprem", config, outputs=seen).region.hosts] == names

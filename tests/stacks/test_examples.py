"""Examples in clouds, as they are in the repository: what `preview` would make, and that it breaks no policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from installer.spec.gcp import GcpRegion
from installer.spec.hosts import wanted_hosts
from installer.spec.platform import Platform
from installer.spec.specification import load
from installer.workflows.infrastructure import Infrastructure
from installer.workflows.state_location import StateLocation
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure
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
    assert _would_be_made(platform, cloud(), tmp_path, monkeypatch, kinds=wanted) == wanted


def test_gcp_with_spot_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of six workers are spot instances, which no manager is; each host has a disk and an address of its own."""
    platform = load(_EXAMPLES / "05-gcp-spot-workers").platform
    assert platform
    (region,) = platform.spec.regions
    assert isinstance(region, GcpRegion)
    assert [(group.role, group.count) for group in region.hosts if group.spot] == [("worker", 4)]
    wanted = {"Instance": 10, "Disk": 9, "Address": 10, "RouterNat": 1, "Bastion": 1, "ForwardingRule": 1, "Bucket": 1}
    assert _would_be_made(platform, Gcp(), tmp_path, monkeypatch, kinds=wanted) == wanted


def _would_be_made(
    platform: Platform, cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch, *, kinds: Iterable[str]
) -> dict[str, int]:
    """How many of each of these kinds, in the only region of a platform."""
    fake = FakeCloud(Account(cloud))
    with served(fake) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"{cloud.package}:{port}")
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

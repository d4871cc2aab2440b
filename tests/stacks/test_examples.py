"""Examples in clouds, as they are in the repository: what `preview` would make, and that it breaks no policy."""

from __future__ import annotations

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
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.gcp import Gcp
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served
from tests.stacks.policy import breaches

_EXAMPLES = Path(__file__).parents[2] / "examples"


def test_aws_in_three_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of each role in each zone, a gateway a zone, one bastion, one balancer; nothing is made by a preview."""
    platform = load(_EXAMPLES / "03-aws-three-zones").platform
    assert platform
    hosts = wanted_hosts(platform)
    assert sorted((host.role, host.zone) for host in hosts) == [(r, z) for r in ("manager", "worker") for z in "abc"]
    wanted = {"Instance": 7, "NatGateway": 3, "Bastion": 1, "LoadBalancer": 1, "Bucket": 1}
    assert _would_be_made(platform, Aws(), tmp_path, monkeypatch, kinds=wanted) == wanted


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
        changes = Infrastructure(platform, folder, StateLocation.parse(str(folder))).preview()["frankfurt"]
    assert breaches(list(fake.planned.values())) == []
    assert fake.wrong == []
    assert fake.account.left() == []
    made = [change.type.rpartition(":")[2] for change in changes if change.op == "create"]
    return {kind: made.count(kind) for kind in kinds}

"""Examples in clouds, as they are in the repository: what `preview` would make, and that it breaks no policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.spec.hosts import wanted_hosts
from installer.spec.specification import load
from installer.workflows.infrastructure import Infrastructure
from installer.workflows.state_location import StateLocation
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import Cloud
from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served
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
    fake = FakeCloud(Account(cloud()))
    with served(fake) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"{cloud.package}:{port}")
        state = StateLocation.parse(str(tmp_path))
        changes = Infrastructure(platform, tmp_path, state).preview()[platform.spec.regions[0].name]
    made = [change.type.rpartition(":")[2] for change in changes if change.op == "create"]
    assert {kind: made.count(kind) for kind in wanted} == wanted
    assert breaches(list(fake.planned.values())) == []
    assert fake.wrong == []
    assert fake.account.left() == []

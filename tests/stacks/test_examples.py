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
    cloud = FakeCloud(Account(Aws()))
    with served(cloud) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"aws:{port}")
        state = StateLocation.parse(str(tmp_path))
        changes = Infrastructure(platform, tmp_path, state).preview()["frankfurt"]
    made = [change.type.rpartition(":")[2] for change in changes if change.op == "create"]
    counted = {kind: made.count(kind) for kind in ("Instance", "NatGateway", "Bastion", "LoadBalancer", "Bucket")}
    assert counted == {"Instance": 7, "NatGateway": 3, "Bastion": 1, "LoadBalancer": 1, "Bucket": 1}
    assert breaches(list(cloud.planned.values())) == []
    assert cloud.wrong == []
    assert cloud.account.left() == []

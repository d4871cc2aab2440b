"""The stack of a region on AWS, on the embedded engine and a fake cloud: what it makes, changes and takes down."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cloud.provider import FakeCloud
from tests.fakes.provider import served
from tests.stacks.cloud_trial import CloudTrial


def _region(**provider: Any) -> dict[str, Any]:
    return {
        "name": "home",
        "provider": {"kind": "aws", "region": "eu-central-1", "access": {"sources": ["198.51.100.0/24"]}, **provider},
        "hosts": [
            {"name": "manager", "role": "manager", "count": 3},
            {"name": "worker", "role": "worker", "count": 2, "labels": {"disk": "ssd"}},
        ],
    }


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudTrial]:
    """A platform that does not exist yet. In the end the cloud must be empty, and have nothing to complain about."""
    cloud = FakeCloud()
    with served(cloud) as port:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"aws:{port}")
        yield CloudTrial(tmp_path, cloud, _region())
    assert cloud.wrong == []
    assert cloud.account.left() == []


def test_hosts_are_made_and_known(trial: CloudTrial) -> None:
    """Spread over zones, private, behind a bastion; a second run does nothing; in the end nothing is left."""
    planned = trial.preview()
    assert {("create", name) for name in ("manager-1", "worker-2", "bastion", "api", "private-c")} <= planned
    assert trial.cloud.account.left() == []
    region = trial.up()
    hosts = [(host.name, host.role, host.zone, dict(host.labels)) for host in region.hosts]
    assert hosts == [
        ("manager-1", "manager", "a", {}),
        ("manager-2", "manager", "b", {}),
        ("manager-3", "manager", "c", {}),
        ("worker-1", "worker", "a", {"disk": "ssd"}),
        ("worker-2", "worker", "b", {"disk": "ssd"}),
    ]
    assert [str(IPv4Network(f"{host.address}/20", strict=False)) for host in region.hosts[:3]] == [
        "10.64.0.0/20",
        "10.64.16.0/20",
        "10.64.32.0/20",
    ]
    assert [host.address for host in region.hosts] == [str(host.cluster_address) for host in region.hosts]
    assert region.endpoint
    assert region.endpoint.endswith(".elb.eu-central-1.amazonaws.com")
    assert len({host.host_key for host in region.hosts}) == 5
    assert {host.bastion.address for host in region.hosts if host.bastion} == {_bastion_address(trial)}
    assert trial.preview() == set()
    trial.up()
    assert trial.changes == set()
    trial.destroy()


def _bastion_address(trial: CloudTrial) -> str:
    (address,) = (data["publicIp"] for data in trial.cloud.account.all("aws:ec2/eip:Eip") if data.get("instance"))
    return str(address)

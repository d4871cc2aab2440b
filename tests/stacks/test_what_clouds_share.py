"""What regions in all clouds do alike: balancers of clusters' ports, dedicated hosts, disks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.cloud.aws import Aws
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import Cloud, Rule
from tests.fakes.cloud.gcp import Gcp
from tests.stacks.cloud_trial import CloudTrial, trial_in
from tests.stacks.policy import breaches

_SOURCES, _USERS = "198.51.100.0/24", "192.0.2.0/24"
_CLOUDS: dict[str, tuple[Callable[[], Cloud], dict[str, str], str]] = {  # its fake, a provider there, a balancer's type
    "aws": (Aws, {"kind": "aws", "region": "eu-central-1"}, "aws:lb/loadBalancer:LoadBalancer"),
    "azure": (Azure, {"kind": "azure", "location": "westeurope"}, "azure-native:network:LoadBalancer"),
    "gcp": (
        Gcp,
        {"kind": "gcp", "project": "example-123456", "region": "europe-west3"},
        "gcp:compute/regionBackendService:RegionBackendService",
    ),
}


@dataclass(frozen=True)
class Region:
    """A region in some cloud, and what is let in to its hosts."""

    trial: CloudTrial
    provider: dict[str, str]
    balancer: str

    def specify(self, *roles: str, volumes: Sequence[dict[str, Any]] = (), **access: Any) -> None:
        """A host of each role, the first with `volumes`; the balancer of clusters' ports, what else access says."""
        self.trial.region = {
            "name": "home",
            "provider": {**self.provider, "access": {"sources": [_SOURCES], **access}},
            "hosts": [{"name": role, "role": role} for role in roles or ("manager", "worker")],
        }
        self.trial.region["hosts"][0]["volumes"] = list(volumes)

    def told(self, name: str) -> list[str]:
        """What a machine runs at each boot."""
        account = self.trial.cloud.account
        text = account.cloud.user_data(account.machine(f"harbor-{name}")).removeprefix("#cloud-config\n")
        return [command[-1] for command in yaml.safe_load(text)["bootcmd"]]

    def let_in(self, name: str) -> set[tuple[str, int, str]]:
        """(protocol, first port, source) of all that may come in to a host; sources that are hosts by their names."""
        account = self.trial.cloud.account
        cloud, machines = account.cloud, account.all(account.cloud.machine)
        names = {cloud.address(account, one): cloud.title(one).removeprefix("harbor-") for one in machines}
        rules: list[Rule] = list(cloud.rules(account, account.machine(f"harbor-{name}"), machines))
        return {(rule.protocol, rule.first, names.get(one, one)) for rule in rules for one in rule.sources}

    @property
    def balancers(self) -> int:
        return len(self.trial.cloud.account.all(self.balancer))


@pytest.fixture(params=_CLOUDS)
def region(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Region]:
    """One that does not exist yet, in each cloud."""
    cloud, provider, balancer = _CLOUDS[request.param]
    with trial_in(cloud(), {}, tmp_path, monkeypatch) as trial:
        trial.ports = (30000, 30003)
        yield Region(trial, provider, balancer)


def test_clusters_are_not_balanced_unless_it_is_said(region: Region) -> None:
    """There is an address for the manager's API alone; a region without managers has not even that."""
    region.specify()
    found = region.trial.up()
    assert found.endpoint
    assert found.cluster_endpoint is None
    region.trial.destroy()
    region.specify("worker")
    found = region.trial.up()
    assert (found.endpoint, found.cluster_endpoint, region.balancers) == (None, None, 0)
    region.trial.destroy()


def test_a_public_balancer_leads_users_to_managers(region: Region) -> None:
    """With an address of its own beside that of the API, which stays inside; users reach no worker by themselves."""
    region.specify(published=[_USERS])
    before = region.trial.up()
    assert ("tcp", 30000, _USERS) in region.let_in("worker-1")
    region.specify(published=[_USERS], clusterBalancer="public")
    after = region.trial.up()
    assert after.endpoint == before.endpoint
    assert after.cluster_endpoint
    assert after.cluster_endpoint != after.endpoint
    assert region.balancers == 2
    assert not {one for one in region.let_in("worker-1") if one[1] == 30000 and one[2] == _USERS}
    assert ("tcp", 30000, "bastion") in region.let_in("worker-1")
    assert breaches(region.trial.planned()) == []
    region.trial.up()
    assert region.trial.changes == set()
    region.specify(published=[_USERS])
    assert region.trial.up().cluster_endpoint is None
    assert region.balancers == 1
    region.trial.destroy()


@pytest.mark.parametrize("access", [{"clusterBalancer": "internal"}, {"clusterBalancer": "public", "public": True}])
def test_one_balancer_is_enough_where_both_are_for_the_same_network(region: Region, access: dict[str, Any]) -> None:
    """Inside, or before public hosts: clusters' ports are behind the balancer that the manager's API has."""
    region.specify(published=[_USERS], **access)
    found = region.trial.up()
    assert found.cluster_endpoint
    assert region.balancers == 1
    assert breaches(region.trial.planned()) == []
    region.trial.destroy()


def test_a_dedicated_host_is_let_to_what_it_needs(region: Region) -> None:
    """The ports of its cluster's API and pod networks on others; on itself kubelet and ways in, from others alone."""
    region.specify("manager", "worker", "dedicated")
    assert [host.role for host in region.trial.up().hosts] == ["manager", "worker", "dedicated"]
    assert breaches(region.trial.planned()) == []
    carriers = {"manager-1", "worker-1"}
    mine = region.let_in("dedicated-1")
    for port in (10250, 7445, 10247):
        assert {source for _, first, source in mine if first == port} == carriers
    assert {source for _, first, source in mine if first == 8472} == carriers | {"dedicated-1"}
    assert {source for _, first, source in mine if first == 22} == carriers | {"dedicated-1", "bastion"}
    assert {first for _, first, _ in mine} == {22, 8472, 7444, 10250, 7445, 10247}
    balanced = 6443  # on Azure for all that is in the network: its balancer passes packets on as they come
    for name in ("manager-1", "worker-1"):
        theirs = {first for _, first, source in region.let_in(name) if source == "dedicated-1"}
        assert theirs - {balanced} == {22, 8472, 7444, 30000}
    region.specify()
    assert len(region.trial.up().hosts) == 2
    region.trial.destroy()


_EBS = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0"
_DISKS = {  # what each cloud lets a disk be found by; of Azure's the first of two names
    "aws": [_EBS, _EBS],
    "azure": ["/dev/disk/azure/data/by-lun/0 ", "/dev/disk/azure/data/by-lun/1 "],
    "gcp": ["/dev/disk/by-id/google-etcd;", "/dev/disk/by-id/google-moorage;"],
}


def test_a_host_has_disks_for_its_directories(region: Region) -> None:
    """Each is found by a name that its cloud gives; they go with the host, and another host has none."""
    volumes = [{"mount": "/var/lib/etcd", "size": "20Gi"}, {"mount": "/var/lib/moorage", "size": "200Gi"}]
    region.specify("manager", "worker", volumes=volumes)
    region.trial.up()
    mounts = [command for command in region.told("manager-1") if "mkfs.ext4" in command]
    for mount, volume, disk in zip(mounts, volumes, _DISKS[region.provider["kind"]], strict=True):
        assert f"until mountpoint -q {volume['mount']}; do" in mount
        assert f"for disk in {disk}" in mount
    assert not any("mkfs.ext4" in command for command in region.told("worker-1"))
    assert breaches(region.trial.planned()) == []
    region.trial.up()
    assert region.trial.changes == set()
    region.trial.destroy()

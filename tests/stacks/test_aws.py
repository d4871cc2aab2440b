"""The stack of a region on AWS, on the embedded engine and a fake cloud: what it makes, changes and takes down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.core.errors import InfrastructureError
from tests.fakes.cloud.account import Fault
from tests.fakes.cloud.aws import Aws, give_network
from tests.stacks.cloud_trial import CloudTrial, trial_in
from tests.stacks.policy import breaches

_INSTANCE = "aws:ec2/instance:Instance"
_EVERYBODY = "0.0.0.0/0"


def _region(*hosts: dict[str, Any], **provider: Any) -> dict[str, Any]:
    small = ({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "zones": ["b", "a"]})
    return {
        "name": "home",
        "provider": {"kind": "aws", "region": "eu-central-1", "access": {"sources": ["198.51.100.0/24"]}, **provider},
        "hosts": list(hosts or small),
    }


def _workers(count: int) -> dict[str, Any]:
    return _region({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "count": count})


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudTrial]:
    """A platform that does not exist yet."""
    with trial_in(Aws(), _region(), tmp_path, monkeypatch) as found:
        yield found


def test_hosts_are_made_and_known(trial: CloudTrial) -> None:
    """Spread over zones, private, behind a bastion; a second run does nothing; in the end nothing is left."""
    trial.region = _region(
        {"name": "manager", "role": "manager", "count": 3},
        {"name": "worker", "role": "worker", "count": 2, "labels": {"disk": "ssd"}},
    )
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
    assert breaches(trial.planned()) == []
    assert "PRIVATE KEY" not in trial.state()
    trial.destroy()


def test_hosts_get_what_they_are_to_have(trial: CloudTrial) -> None:
    """Their keys, and who may log in, by user data; disks, image, tags and what they may do at AWS as specified."""
    trial.region = _region(
        {"name": "manager", "role": "manager", "disk": {"size": "80Gi", "type": "io2", "iops": 4000}},
        {"name": "worker", "role": "worker", "instanceType": "m7i.4xlarge", "spot": True},
        image={"family": "ubuntu-24.04"},
        access={"sources": ["198.51.100.0/24"], "keys": ["ssh-ed25519 CCCC me"]},
        backups={"keep": False},
        tags={"cost-centre": "17"},
    )
    region = trial.up()
    _, manager, worker = sorted(trial.cloud.account.all(_INSTANCE), key=_title)
    told = yaml.safe_load(manager["userData"].removeprefix("#cloud-config\n"))
    assert told["ssh_authorized_keys"] == [trial.public_key, "ssh-ed25519 CCCC me"]
    assert told["ssh_keys"]["ed25519_public"] == f"{region.hosts[0].host_key} manager-1"
    assert "nftables" in told["bootcmd"][0][-1]
    disk = manager["rootBlockDevice"]
    assert (disk["volumeSize"], disk["volumeType"], disk["iops"], disk["encrypted"]) == (80, "io2", 4000, True)
    assert (worker["instanceType"], worker["instanceMarketOptions"]) == ("m7i.4xlarge", {"marketType": "spot"})
    assert manager["ami"] == next(i["imageId"] for i in trial.cloud.account.cloud.images if "noble" in i["name"])
    assert manager["tags"] == {
        "Name": "harbor-manager-1",
        "moorage.dev/platform": "harbor",
        "moorage.dev/region": "home",
        "cost-centre": "17",
    }
    assert manager["disableApiTermination"]
    assert "disableApiTermination" not in worker
    assert manager["iamInstanceProfile"]
    assert "iamInstanceProfile" not in worker
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_a_bucket_of_backups_outlives_its_platform(trial: CloudTrial) -> None:
    """With what keeps it private; the right to use it goes."""
    trial.region = _region(backups={})
    trial.up()
    trial.destroy()
    left = {kind.rpartition(":")[2] for kind, _ in trial.cloud.account.left()}
    assert left == {
        "Bucket",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
    }
    trial.cloud.account.things.clear()


def test_hosts_come_and_go_and_others_are_left_alone(trial: CloudTrial) -> None:
    """Also when a newer image, another key to log in and other tags would make them anew."""
    trial.region = _workers(1)
    before = {host.name: host.host_key for host in trial.up().hosts}
    trial.cloud.account.cloud.images.append(
        trial.cloud.account.cloud.images[2] | {"imageId": "ami-1", "name": "debian-13-amd64-9"}
    )
    trial.public_key = "ssh-ed25519 BBBB"
    trial.region = _workers(3)
    after = {host.name: host.host_key for host in trial.up().hosts}
    assert before.items() <= after.items()
    assert {name for op, name in trial.changes if op == "create"} == {"worker-2", "worker-3"}
    assert {op for op, _ in trial.changes} == {"create"}
    assert [data["ami"] for data in trial.cloud.account.all(_INSTANCE)].count("ami-1") == 2
    trial.region = _workers(2)
    assert len(trial.up().hosts) == 3
    assert trial.changes == {("delete", "worker-3")}
    trial.destroy()


def test_public_hosts_are_reached_without_a_bastion(trial: CloudTrial) -> None:
    """By those who are named; ports of clusters by whom they are published to, everybody if it is said."""
    access = {"public": True, "sources": ["198.51.100.0/24"], "published": [_EVERYBODY]}
    trial.region = _region(access=access)
    region = trial.up()
    assert all(host.bastion is None for host in region.hosts)
    assert all(host.address.startswith("203.0.113.") for host in region.hosts)
    assert all(str(host.cluster_address).startswith("10.64.") for host in region.hosts)
    assert not any(one["type"].endswith((":NatGateway", ":Eip")) for one in trial.planned())
    rules = [one for one in trial.planned() if one["type"].endswith(":SecurityGroupIngressRule") and "cidrIpv4" in one]
    assert {(one["cidrIpv4"], one["fromPort"], one["toPort"]) for one in rules} == {
        ("198.51.100.0/24", 22, 22),
        ("198.51.100.0/24", 6443, 6443),
        ("198.51.100.0/24", 30000, 32767),
        (_EVERYBODY, 30000, 32767),
    }
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_hosts_of_joined_regions_are_let_in(trial: CloudTrial) -> None:
    """To what hosts have for each other in several regions, and to nothing else."""
    trial.region = _region(access={"sources": ["198.51.100.0/24"], "joined": ["10.65.0.0/16"]})
    trial.up()
    rules = [one for one in trial.planned() if one["type"].endswith(":SecurityGroupIngressRule")]
    opened = {(one["ipProtocol"], one["fromPort"]) for one in rules if one.get("cidrIpv4") == "10.65.0.0/16"}
    assert opened == {("tcp", 22), ("tcp", 6443), ("tcp", 2379), ("tcp", 10250), ("udp", 8472), ("tcp", 30000)}
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_an_existing_network_is_used_and_stays_as_it_is(trial: CloudTrial) -> None:
    """By two platforms, too: no name of one is in the way of the other's."""
    account = trial.cloud.account
    vpc, subnets, public = give_network(account, "172.20.0.0/16")
    before = {key: dict(account.things[key]) for key in account.given}
    network = {"vpc": vpc, "subnets": subnets, "publicSubnets": public}
    trial.region = _region(network=network)
    other = CloudTrial(trial.folder / "other", trial.cloud, trial.region, platform="quay")
    hosts = [*trial.up().hosts, *other.up().hosts]
    assert {host.address.rpartition(".")[0] for host in hosts} == {"172.20.0", "172.20.16"}
    assert not {one["type"].rpartition(":")[2] for one in trial.planned()} & {"Vpc", "Subnet", "RouteTable", "Route"}
    other.destroy()
    assert trial.preview() == set()
    trial.destroy()
    assert {key: dict(account.things[key]) for key in account.given} == before


def test_a_quota_in_the_middle_is_told_and_gone_on_after(trial: CloudTrial) -> None:
    """The error names host, stack and Amazon's reason; what was made stays, and only the rest is made."""
    trial.region = _workers(3)
    trial.cloud.account.quota["instances"] = 3
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    told = caught.value.explain()
    for text in ("harbor-home", "VcpuLimitExceeded", "what was made is found again"):
        assert text in told
    made = len(trial.cloud.account.all(_INSTANCE))
    assert made == 3
    trial.cloud.account.quota["instances"] = 64
    assert len(trial.up().hosts) == 4
    asked = [name for op, kind, name in trial.cloud.account.calls if (op, kind) == ("create", _INSTANCE)]
    assert len(set(asked)) == 5
    assert len(asked) in (6, 7)  # one that was refused, and another if it was asked for by then
    trial.destroy()


def test_an_instance_that_was_deleted_by_hand_is_made_again(trial: CloudTrial) -> None:
    """Under its name and with its host key, so that nobody has to trust another one."""
    before = {host.name: host for host in trial.up().hosts}
    trial.cloud.account.terminate("harbor-worker-1")
    assert trial.preview() == {("create", "worker-1")}
    assert trial.gone() == {"worker-1"}
    after = {host.name: host for host in trial.up().hosts}
    assert after["worker-1"].host_key == before["worker-1"].host_key
    assert after["manager-1"] == before["manager-1"]
    trial.destroy()


def test_a_zone_that_is_not_there_is_named(trial: CloudTrial) -> None:
    """Before anything is made, with those that are."""
    trial.region = _region({"name": "manager", "role": "manager", "zones": ["f"]})
    with pytest.raises(InfrastructureError) as caught:
        trial.preview()
    assert "there is no zone eu-central-1f for this account: eu-central-1a, " in caught.value.explain()


def test_credentials_that_expire_leave_a_state_to_go_on_from(trial: CloudTrial) -> None:
    """While it is made, and while it is taken down."""
    account = trial.cloud.account
    account.faults.append(Fault(method="create", name="worker-1", code="ExpiredToken", text="the token has expired"))
    with pytest.raises(InfrastructureError, match="harbor-home"):
        trial.up()
    trial.up()
    account.faults.append(Fault(method="delete", name="manager-1", code="ExpiredToken", text="the token has expired"))
    with pytest.raises(InfrastructureError) as caught:
        trial.destroy()
    assert "ExpiredToken" in caught.value.explain()
    assert any(data["tags"]["Name"] == "harbor-manager-1" for data in account.all(_INSTANCE))
    trial.destroy()


def _title(data: Mapping[str, Any]) -> str:
    return str(data["tags"]["Name"])


def _bastion_address(trial: CloudTrial) -> str:
    (address,) = (data["publicIp"] for data in trial.cloud.account.all("aws:ec2/eip:Eip") if data.get("instance"))
    return str(address)


def test_what_a_killed_run_was_making_is_told_with_its_tags(trial: CloudTrial) -> None:
    """It came to be, and nobody can find it by its name: `up` makes another, `destroy` cannot take its network down."""
    account = trial.cloud.account
    trial.up()
    lost = trial.forget_the_end_of("worker-1")
    trial.up()
    told = "Instance worker-1 was being made when a run was cut off: if there are two, delete one; its tags are"
    assert any(told in event.text and "Name=harbor-worker-1" in event.text for event in trial.events)
    assert [data["tags"]["Name"] for data in account.all(_INSTANCE)].count("harbor-worker-1") == 2
    account.delete(_INSTANCE, lost, "by hand")
    lost = trial.forget_the_end_of("worker-1")
    with pytest.raises(InfrastructureError, match="harbor-home"):
        trial.destroy()
    assert any(told in event.text for event in trial.events)
    account.delete(_INSTANCE, lost, "by hand")
    trial.destroy()

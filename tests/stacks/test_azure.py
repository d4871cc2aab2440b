"""The stack of a region on Azure, on the embedded engine and a fake cloud: what it makes, changes and takes down."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.core.errors import InfrastructureError
from tests.fakes.cloud.account import Fault
from tests.fakes.cloud.azure import Azure, give_network, members
from tests.fakes.cloud.azure_checks import ADDRESS, GROUP, LOCK, MACHINE, RULES, STORE
from tests.stacks.cloud_trial import CloudTrial, trial_in
from tests.stacks.policy import breaches

_EVERYBODY = "0.0.0.0/0"


def _region(*hosts: dict[str, Any], **provider: Any) -> dict[str, Any]:
    small = ({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "zones": ["2", "1"]})
    return {
        "name": "home",
        "provider": {"kind": "azure", "location": "westeurope", "access": {"sources": ["198.51.100.0/24"]}, **provider},
        "hosts": list(hosts or small),
    }


def _workers(count: int) -> dict[str, Any]:
    return _region({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "count": count})


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudTrial]:
    """A platform that does not exist yet."""
    with trial_in(Azure(), _region(), tmp_path, monkeypatch) as found:
        yield found


def test_hosts_are_made_and_known(trial: CloudTrial) -> None:
    """Spread over zones, private, behind a bastion; a second run does nothing; in the end nothing is left."""
    trial.region = _region(
        {"name": "manager", "role": "manager", "count": 3},
        {"name": "worker", "role": "worker", "count": 2, "labels": {"disk": "ssd"}},
    )
    planned = trial.preview()
    assert {("create", name) for name in ("manager-1", "worker-2", "bastion", "api", "hosts")} <= planned
    assert trial.cloud.account.left() == []
    region = trial.up()
    hosts = [(host.name, host.role, host.zone, dict(host.labels)) for host in region.hosts]
    assert hosts == [
        ("manager-1", "manager", "1", {}),
        ("manager-2", "manager", "2", {}),
        ("manager-3", "manager", "3", {}),
        ("worker-1", "worker", "1", {"disk": "ssd"}),
        ("worker-2", "worker", "2", {"disk": "ssd"}),
    ]
    assert all(host.address.startswith("10.64.0.") for host in region.hosts)
    assert [host.address for host in region.hosts] == [str(host.cluster_address) for host in region.hosts]
    assert region.endpoint == "10.64.127.254"
    assert len({host.host_key for host in region.hosts}) == 5
    assert {host.bastion.address for host in region.hosts if host.bastion} == {_public_address(trial, "bastion")}
    account = trial.cloud.account
    assert [one["zones"] for one in account.all(MACHINE) if "zones" in one].count(["1"]) == 2
    assert members(account, "harbor-manager-2") == ["manager"]
    assert trial.preview() == set()
    trial.up()
    assert trial.changes == set()
    assert breaches(trial.planned()) == []
    assert "PRIVATE KEY" not in trial.state()
    trial.destroy()


def test_hosts_get_what_they_are_to_have(trial: CloudTrial) -> None:
    """Their keys, and who may log in, by custom data; disks, image, tags and what they may do as specified."""
    trial.region = _region(
        {"name": "manager", "role": "manager", "disk": {"size": "80Gi", "type": "StandardSSD_LRS"}},
        {"name": "worker", "role": "worker", "size": "Standard_D8as_v5", "spot": True, "encryptionAtHost": True},
        image={"family": "ubuntu-24.04"},
        access={"sources": ["198.51.100.0/24"], "keys": ["ssh-ed25519 CCCC me"]},
        backups={"keep": False},
        tags={"cost-centre": "17"},
    )
    region = trial.up()
    account = trial.cloud.account
    manager, worker = account.machine("harbor-manager-1"), account.machine("harbor-worker-1")
    text = base64.b64decode(manager["osProfile"]["customData"]).decode()
    told = yaml.safe_load(text.removeprefix("#cloud-config\n"))
    assert told["ssh_authorized_keys"] == [trial.public_key, "ssh-ed25519 CCCC me"]
    assert told["ssh_keys"]["ed25519_public"] == f"{region.hosts[0].host_key} manager-1"
    assert told["users"] == []
    assert "169.254.169.254 drop" in told["bootcmd"][1][-1]
    disk = manager["storageProfile"]["osDisk"]
    assert (disk["diskSizeGB"], disk["managedDisk"]) == (80, {"storageAccountType": "StandardSSD_LRS"})
    assert worker["hardwareProfile"] == {"vmSize": "Standard_D8as_v5"}
    assert (worker["priority"], worker["evictionPolicy"]) == ("Spot", "Deallocate")
    assert worker["securityProfile"] == {"encryptionAtHost": True}
    assert manager["storageProfile"]["imageReference"]["offer"] == "ubuntu-24_04-lts"
    assert manager["tags"] == {
        "name": "harbor-manager-1",
        "moorage-platform": "harbor",
        "moorage-region": "home",
        "cost-centre": "17",
    }
    assert [lock["scope"] for lock in account.all(LOCK)] == [manager["id"]]
    assert manager["identity"]["type"] == "UserAssigned"
    assert "identity" not in worker
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_backups_outlive_their_platform(trial: CloudTrial) -> None:
    """With what keeps them private, in a group of their own; the right to use them goes."""
    trial.region = _region(backups={})
    trial.up()
    trial.destroy()
    left = {kind.rpartition(":")[2] for kind, _ in trial.cloud.account.left()}
    assert left == {"ResourceGroup", "StorageAccount", "BlobServiceProperties", "BlobContainer"}
    (group,) = trial.cloud.account.all(GROUP)
    assert "backups" in group["name"]
    trial.cloud.account.things.clear()


def test_hosts_come_and_go_and_others_are_left_alone(trial: CloudTrial) -> None:
    """Also when another image and another key to log in would make them anew."""
    trial.region = _workers(1)
    before = {host.name: host.host_key for host in trial.up().hosts}
    trial.public_key = "ssh-ed25519 BBBB"
    trial.region = _workers(3)
    trial.region["provider"]["image"] = {"family": "debian-12"}
    after = {host.name: host.host_key for host in trial.up().hosts}
    assert before.items() <= after.items()
    assert {name for op, name in trial.changes if op == "create"} == {"worker-2", "worker-3"}
    assert {op for op, _ in trial.changes} == {"create"}
    offers = [one["storageProfile"]["imageReference"]["offer"] for one in trial.cloud.account.all(MACHINE)]
    assert sorted(offers) == ["debian-12", "debian-12", "debian-13", "debian-13", "debian-13"]
    trial.region["hosts"][1]["count"] = 2
    assert len(trial.up().hosts) == 3
    assert trial.changes == {("delete", "worker-3")}
    trial.destroy()


def test_a_change_of_everything_previews_without_a_fault(trial: CloudTrial) -> None:
    """Tags are of all things: addresses of hosts are not known while their interfaces are to change."""
    trial.up()
    trial.region = _region(tags={"team": "b"})
    assert ("update", "manager-1") in trial.preview()
    before = {host["name"] for host in trial.cloud.account.all(MACHINE)}
    hosts = trial.up().hosts
    assert {op for op, _ in trial.changes} == {"update"}
    assert {host.name for host in hosts} < before
    trial.destroy()


def test_public_hosts_are_reached_without_a_bastion(trial: CloudTrial) -> None:
    """By those who are named; ports of clusters by whom they are published to, everybody if it is said."""
    access = {"public": True, "sources": ["198.51.100.0/24"], "published": [_EVERYBODY]}
    trial.region = _region(access=access)
    region = trial.up()
    assert all(host.bastion is None for host in region.hosts)
    assert all(host.address.startswith("203.0.113.") for host in region.hosts)
    assert all(str(host.cluster_address).startswith("10.64.") for host in region.hosts)
    assert region.endpoint == _public_address(trial, "api")
    assert not any(one["type"].endswith(":NatGateway") for one in trial.planned())
    (rules,) = (one["securityRules"] for one in trial.cloud.account.all(RULES) if one["name"] == "manager")
    opened = {(rule["destinationPortRange"], *rule.get("sourceAddressPrefixes", ())) for rule in rules}
    assert {one for one in opened if len(one) > 1} == {
        ("22", "198.51.100.0/24"),
        ("6443", "198.51.100.0/24"),
        ("30000-32767", "198.51.100.0/24"),
        ("30000-32767", _EVERYBODY),
    }
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_hosts_of_joined_regions_are_let_in(trial: CloudTrial) -> None:
    """To what hosts have for each other in several regions, and to nothing else."""
    trial.region = _region(access={"sources": ["198.51.100.0/24"], "joined": ["10.65.0.0/16"]})
    trial.up()
    rules = [rule for one in trial.cloud.account.all(RULES) for rule in one["securityRules"]]
    opened = {r["destinationPortRange"] for r in rules if "10.65.0.0/16" in r.get("sourceAddressPrefixes", ())}
    assert opened == {"22", "6443", "2379-2380", "10250", "8472", "30000-32767"}
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_an_existing_network_is_used_and_stays_as_it_is(trial: CloudTrial) -> None:
    """By two platforms, too: no name of one is in the way of the other's."""
    account = trial.cloud.account
    subnet, bastion = give_network(account, "172.20.0.0/16", "172.20.4.0/22", "172.20.1.0/24")
    before = {key: dict(account.things[key]) for key in account.given}
    trial.region = _region(network={"subnet": subnet, "bastionSubnet": bastion})
    other = CloudTrial(trial.folder / "other", trial.cloud, trial.region, platform="quay")
    hosts = [*trial.up().hosts, *other.up().hosts]
    assert {host.address.rpartition(".")[0] for host in hosts} == {"172.20.4"}
    assert not {one["type"].rpartition(":")[2] for one in trial.planned()} & {"VirtualNetwork", "Subnet", "NatGateway"}
    other.destroy()
    assert trial.preview() == set()
    trial.destroy()
    assert {key: dict(account.things[key]) for key in account.given} == before


def test_a_quota_in_the_middle_is_told_and_gone_on_after(trial: CloudTrial) -> None:
    """The error names what, stack and Azure's reason; what was made stays, and only the rest is made."""
    trial.region = _workers(3)
    trial.cloud.account.quota["machines"] = 3
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    told = caught.value.explain()
    for text in (
        "harbor-home",
        "creating azure-native:compute:VirtualMachine",
        "exceeding approved Total Regional Cores quota",
        "what was made is found",
    ):
        assert text in told
    assert len(trial.cloud.account.all(MACHINE)) == 3
    trial.cloud.account.quota["machines"] = 64
    assert len(trial.up().hosts) == 4
    asked = [name for op, kind, name in trial.cloud.account.calls if (op, kind) == ("create", MACHINE)]
    assert len(set(asked)) == 5
    assert len(asked) in (6, 7)  # one that was refused, and another if it was asked for by then
    trial.destroy()


def test_a_machine_that_was_deleted_by_hand_is_made_again(trial: CloudTrial) -> None:
    """Under its name, at its address and with its host key, so that nobody has to trust another one."""
    before = {host.name: host for host in trial.up().hosts}
    trial.cloud.account.terminate("harbor-worker-1")
    assert trial.preview() == {("create", "worker-1")}
    assert {host.name: host for host in trial.up().hosts} == before
    trial.destroy()


def test_what_fails_in_the_middle_leaves_a_state_to_go_on_from(trial: CloudTrial) -> None:
    """While it is made, and while it is taken down: each failure is told with what it is of and Azure's words."""
    account = trial.cloud.account
    for code, text in (
        ("TooManyRequests", "The request is being throttled as the limit has been reached"),
        ("AuthorizationFailed", "does not have authorization to perform action '.../locks/write'"),
        ("ExpiredAuthenticationToken", "The access token expiry UTC time has passed"),
    ):
        account.faults.append(Fault(method="create", name="manager-1", kind=LOCK, code=code, text=text))
        with pytest.raises(InfrastructureError, match="harbor-home") as caught:
            trial.up()
        assert f"create manager-1: creating {LOCK}" in caught.value.explain()
        assert f'Code="{code}" Message="{text}"' in caught.value.explain()
    trial.up()
    account.faults.append(Fault(method="delete", name="worker-1", code="ExpiredAuthenticationToken", text="expired"))
    with pytest.raises(InfrastructureError, match="harbor-home") as caught:
        trial.destroy()
    assert "ExpiredAuthenticationToken" in caught.value.explain()
    trial.destroy()


def test_a_name_of_storage_that_is_taken_is_told(trial: CloudTrial) -> None:
    """It is the world's; the next run takes another."""
    trial.region = _region(backups={"keep": False})
    code = "StorageAccountAlreadyTaken"
    trial.cloud.account.faults.append(Fault(method="create", name="backups", code=code, text="is already taken."))
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    assert "backups" in caught.value.explain()
    trial.up()
    assert len(trial.cloud.account.all(STORE)) == 1
    trial.destroy()


def test_what_a_killed_run_was_making_is_in_the_way_by_its_name(trial: CloudTrial) -> None:
    """It came to be, and nobody looks after it: the error has its id, and once it is gone `up` and `destroy` go on."""
    account = trial.cloud.account
    trial.up()
    lost = trial.forget_the_end_of("worker-1")
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    assert f"cannot create already existing resource '{lost}'" in caught.value.explain()
    assert any("VirtualMachine worker-1 was being made when a run was cut off" in one.text for one in trial.events)
    account.delete(MACHINE, lost, "by hand")
    trial.up()
    lost = trial.forget_the_end_of("worker-1")
    with pytest.raises(InfrastructureError) as caught:
        trial.destroy()
    assert lost in caught.value.explain()
    account.delete(MACHINE, lost, "by hand")
    trial.destroy()


def test_another_subscription_is_refused_before_anything_is_made(trial: CloudTrial) -> None:
    """By its id, as the provider has it."""
    trial.region = _region(subscription="99999999-0000-0000-0000-000000000000")
    with pytest.raises(InfrastructureError) as caught:
        trial.preview()
    assert "99999999-0000-0000-0000-000000000000" in caught.value.explain()


def _public_address(trial: CloudTrial, name: str) -> str:
    found = trial.cloud.account.one(ADDRESS, "name", name)
    assert found
    return str(found["ipAddress"])

"""The stack of a region on Google Cloud, on the embedded engine and a fake: what it makes, changes, takes down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.core.errors import InfrastructureError
from tests.fakes.cloud.account import Fault
from tests.fakes.cloud.gcp import Gcp, give_subnet
from tests.fakes.cloud.gcp_kinds import ADDRESS, BUCKET, DISK, FIREWALL, INSTANCE
from tests.stacks.cloud_trial import CloudTrial, trial_in
from tests.stacks.policy import breaches

_EVERYBODY = "0.0.0.0/0"


def _region(*hosts: dict[str, Any], **provider: Any) -> dict[str, Any]:
    small = ({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "zones": ["b", "a"]})
    given = {"kind": "gcp", "project": "example-123456", "region": "europe-west3"}
    return {
        "name": "home",
        "provider": {**given, "access": {"sources": ["198.51.100.0/24"]}, **provider},
        "hosts": list(hosts or small),
    }


def _workers(count: int, **more: Any) -> dict[str, Any]:
    return _region({"name": "manager", "role": "manager"}, {"name": "worker", "role": "worker", "count": count, **more})


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudTrial]:
    """A platform that does not exist yet."""
    with trial_in(Gcp(), _region(), tmp_path, monkeypatch) as found:
        yield found


def test_hosts_are_made_and_known(trial: CloudTrial) -> None:
    """Spread over zones, private, behind a bastion; a second run does nothing; in the end nothing is left."""
    trial.region = _region(
        {"name": "manager", "role": "manager", "count": 3},
        {"name": "worker", "role": "worker", "count": 2, "labels": {"disk": "ssd"}},
    )
    planned = trial.preview()
    assert {("create", name) for name in ("manager-1", "worker-2", "bastion", "api", "harbor-nat")} <= planned
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
    reach = IPv4Network("10.64.0.0/16")
    assert all(host.cluster_address in reach and host.address == str(host.cluster_address) for host in region.hosts)
    assert len({host.address for host in region.hosts}) == 5
    assert region.endpoint
    assert IPv4Address(region.endpoint) in reach
    assert len({host.host_key for host in region.hosts}) == 5
    (outside,) = (data["address"] for data in trial.cloud.account.all(ADDRESS) if data["addressType"] == "EXTERNAL")
    assert {host.bastion.address for host in region.hosts if host.bastion} == {outside}
    assert trial.preview() == set()
    trial.up()
    assert trial.changes == set()
    assert breaches(trial.planned()) == []
    assert "PRIVATE KEY" not in trial.state()
    trial.destroy()


def test_hosts_get_what_they_are_to_have(trial: CloudTrial) -> None:
    """Their keys, and who may log in, by user data; disks, image, labels and what they may do as specified."""
    disk = {"size": "80Gi", "type": "hyperdisk-balanced", "iops": 4000}
    trial.region = _region(
        {"name": "manager", "role": "manager", "machineType": "c3-standard-4", "disk": disk},
        {"name": "worker", "role": "worker", "machineType": "n2-standard-16", "spot": True},
        {"name": "gpu", "role": "dedicated", "machineType": "n1-standard-8", "gpu": {"type": "nvidia-tesla-t4"}},
        image={"family": "ubuntu-22.04"},
        access={"sources": ["198.51.100.0/24"], "keys": ["ssh-ed25519 CCCC me"]},
        backups={"keep": False},
        labels={"cost-centre": "17"},
    )
    region = trial.up()
    manager, worker, gpu = (trial.cloud.account.machine(f"harbor-{name}-1") for name in ("manager", "worker", "gpu"))
    assert gpu["guestAccelerators"] == [{"type": "nvidia-tesla-t4", "count": 1}]
    assert gpu["scheduling"]["onHostMaintenance"] == "TERMINATE"
    assert "scheduling" not in manager
    told = yaml.safe_load(manager["metadata"]["user-data"].removeprefix("#cloud-config\n"))
    assert told["ssh_authorized_keys"] == [trial.public_key, "ssh-ed25519 CCCC me"]
    assert told["ssh_keys"]["ed25519_public"] == f"{region.hosts[0].host_key} manager-1"
    commands = " ".join(command[-1] for command in told["bootcmd"])
    for text in ("nftables", "set_host_keys = false", "169.254.169.254"):
        assert text in commands
    root = _disk(trial, manager)
    assert (root["size"], root["type"], root["provisionedIops"]) == (80, "hyperdisk-balanced", 4000)
    assert "ubuntu-2204" in root["image"]
    assert (manager["machineType"], worker["machineType"]) == ("c3-standard-4", "n2-standard-16")
    assert (worker["scheduling"]["provisioningModel"], "scheduling" in manager) == ("SPOT", False)
    assert manager["labels"] == {
        "name": "harbor-manager-1",
        "moorage-platform": "harbor",
        "moorage-region": "home",
        "cost-centre": "17",
    }
    assert ("serviceAccount" in manager, "serviceAccount" in worker) == (True, False)
    (bucket,) = trial.cloud.account.all(BUCKET)
    assert (bucket["versioning"], bucket["location"]) == ({"enabled": True}, "EUROPE-WEST3")
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_backups_come_to_a_platform_that_runs_and_outlive_it(trial: CloudTrial) -> None:
    """No instance is stopped for it: managers have their service account from the start. The right to use it goes."""
    trial.up()
    trial.region = _region(backups={})
    trial.up()
    assert trial.changes == {("create", name) for name in ("backups", "harbor-backups")}
    trial.destroy()
    assert [kind for kind, _ in trial.cloud.account.left()] == [BUCKET]
    trial.cloud.account.things.clear()


def test_hosts_come_and_go_and_others_are_left_alone(trial: CloudTrial) -> None:
    """Also when a newer image, another key to log in and other commands at boot would make them anew."""
    trial.region = _workers(1)
    before = {host.name: host.host_key for host in trial.up().hosts}
    images = trial.cloud.account.cloud.images
    newest = images[-1] | {"name": "ubuntu-2404-noble-amd64-v9", "selfLink": "projects/ubuntu-os-cloud/newest"}
    images.append(newest)
    trial.public_key = "ssh-ed25519 BBBB"
    trial.region = _workers(3)
    after = {host.name: host.host_key for host in trial.up().hosts}
    assert before.items() <= after.items()
    assert {name for op, name in trial.changes if op == "create"} == {"worker-2", "worker-3"}
    assert {op for op, _ in trial.changes} == {"create"}
    assert [data["image"] for data in trial.cloud.account.all(DISK)].count(newest["selfLink"]) == 2
    trial.region = _workers(2)
    assert len(trial.up().hosts) == 3
    assert trial.changes == {("delete", "worker-3")}
    trial.destroy()


def test_managers_come_and_go_with_their_place_in_the_balancer(trial: CloudTrial) -> None:
    """A group of the balancer has the managers of one zone, and none that is gone."""
    trial.region = _region({"name": "manager", "role": "manager", "count": 3, "zones": ["a", "b"]})
    trial.up()
    trial.region = _region({"name": "manager", "role": "manager", "count": 1, "zones": ["a", "b"]})
    trial.up()
    assert {("update", "harbor-api-a"), ("delete", "harbor-api-b"), ("update", "harbor-api")} <= trial.changes
    trial.destroy()


def test_public_hosts_are_reached_without_a_bastion(trial: CloudTrial) -> None:
    """By those who are named; ports of clusters by whom they are published to, everybody if it is said."""
    access = {"public": True, "sources": ["198.51.100.0/24"], "published": [_EVERYBODY]}
    trial.region = _region(access=access)
    region = trial.up()
    assert all(host.bastion is None for host in region.hosts)
    assert all(host.address.startswith("203.0.113.") for host in region.hosts)
    assert all(str(host.cluster_address).startswith("10.64.") for host in region.hosts)
    assert not any(one["type"].endswith((":RouterNat", ":Router")) for one in trial.planned())
    opened = {
        (source, port)
        for one in trial.cloud.account.all(FIREWALL)
        for source in one.get("sourceRanges", ())
        if not source.startswith(("35.191.", "209.85."))  # where Google's health checks come from
        for allowed in one["allows"]
        for port in allowed["ports"]
    }
    assert opened == {
        ("198.51.100.0/24", "22"),
        ("198.51.100.0/24", "6443"),
        ("198.51.100.0/24", "30000-32767"),
        (_EVERYBODY, "30000-32767"),
    }
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_hosts_of_joined_regions_are_let_in(trial: CloudTrial) -> None:
    """To what hosts have for each other in several regions, and to nothing else."""
    trial.region = _region(access={"sources": ["198.51.100.0/24"], "joined": ["10.65.0.0/16"]})
    trial.up()
    rules = [one for one in trial.cloud.account.all(FIREWALL) if one.get("sourceRanges") == ["10.65.0.0/16"]]
    opened = {port for one in rules for allowed in one["allows"] for port in allowed["ports"]}
    assert opened == {"22", "6443", "2379-2380", "10250", "8472", "30000-32767"}
    assert breaches(trial.planned()) == []
    trial.destroy()


def test_an_existing_network_is_used_and_stays_as_it_is(trial: CloudTrial) -> None:
    """By two platforms, too: no name of one is in the way of the other's, and no rule lets one in to the other."""
    account = trial.cloud.account
    give_subnet(account, "shared", "172.20.0.0/20")
    before = {key: dict(account.things[key]) for key in account.given}
    trial.region = _region(network={"subnet": "shared"})
    other = CloudTrial(trial.folder / "other", trial.cloud, trial.region, platform="quay")
    hosts = [*trial.up().hosts, *other.up().hosts]
    assert {host.address.rpartition(".")[0] for host in hosts} == {"172.20.0"}
    assert not {one["type"].rpartition(":")[2] for one in trial.planned()} & {"Network", "Subnetwork", "Router"}
    ours = {tag for data in account.all(INSTANCE) for tag in data["tags"] if tag.startswith("harbor-")}
    for rule in account.all(FIREWALL):
        assert set(rule["targetTags"]) <= ours or not set(rule.get("sourceTags", ())) & ours
    other.destroy()
    assert trial.preview() == set()
    trial.destroy()
    assert {key: dict(account.things[key]) for key in account.given} == before


def test_a_quota_in_the_middle_is_told_and_gone_on_after(trial: CloudTrial) -> None:
    """The error names host, stack and Google's reason; what was made stays, and only the rest is made."""
    trial.region = _workers(3)
    trial.cloud.account.quota["instances"] = 3
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    told = caught.value.explain()
    for text in ("harbor-home", "Error 403: Quota 'CPUS' exceeded", "europe-west3", "what was made is found again"):
        assert text in told
    assert len(trial.cloud.account.all(INSTANCE)) == 3
    trial.cloud.account.quota["instances"] = 64
    assert len(trial.up().hosts) == 4
    asked = [name for op, kind, name in trial.cloud.account.calls if (op, kind) == ("create", INSTANCE)]
    assert len(set(asked)) == 5
    assert len(asked) in (6, 7)  # one that was refused, and another if it was asked for by then
    trial.destroy()


def test_a_half_made_region_is_taken_down(trial: CloudTrial) -> None:
    """Nothing has to be made first."""
    trial.cloud.account.quota["instances"] = 1
    with pytest.raises(InfrastructureError):
        trial.up()
    asked = len(trial.cloud.account.calls)
    trial.destroy()
    assert {op for op, _, _ in trial.cloud.account.calls[asked:]} == {"delete"}


def test_an_instance_that_is_gone_comes_back_as_it_was(trial: CloudTrial) -> None:
    """Taken back by Google or deleted by hand: with its disk, address and host key, and at the balancer."""
    trial.region, gone = _workers(1, spot=True), ("manager-1", "worker-1")
    before = {host.name: host for host in trial.up().hosts}
    disks = [trial.cloud.account.machine(f"harbor-{name}")["bootDisk"] for name in gone]
    for name in gone:
        trial.cloud.account.terminate(f"harbor-{name}")
    assert {("create", name) for name in gone} <= trial.preview()
    assert {host.name: host for host in trial.up().hosts} == before
    assert [trial.cloud.account.machine(f"harbor-{name}")["bootDisk"] for name in gone] == disks
    assert {changed for _, changed in trial.changes} == {*gone, "harbor-api-a"}
    assert trial.preview() == set()
    trial.destroy()


def test_a_zone_that_is_not_there_is_named(trial: CloudTrial) -> None:
    """Before anything is made, with those that are."""
    trial.region = _region({"name": "manager", "role": "manager", "zones": ["f"]})
    with pytest.raises(InfrastructureError) as caught:
        trial.preview()
    assert "there is no zone europe-west3-f for this account: europe-west3-a, " in caught.value.explain()


def test_a_project_that_is_not_ours_is_told(trial: CloudTrial) -> None:
    """With Google's reason."""
    trial.region = _region(project="somebody-elses")
    with pytest.raises(InfrastructureError) as caught:
        trial.preview()
    assert "Permission denied on resource project somebody-elses" in caught.value.explain()


def test_what_google_refuses_leaves_a_state_to_go_on_from(trial: CloudTrial) -> None:
    """A name that is taken, credentials that expire, an API that asks to go slower; while it is made and taken down."""
    faults = trial.cloud.account.faults
    taken, expired = "The resource 'x' already exists", "Request had invalid authentication credentials"
    for name, code, text, told in (
        ("harbor-network", "alreadyExists", taken, f"googleapi: Error 409: {taken}"),
        (
            "worker-1",
            "authError",
            expired,
            f"googleapi: Error 401: {expired}",
        ),
        ("api", "rateLimitExceeded", "Rate Limit Exceeded", "googleapi: Error 403: Rate Limit Exceeded"),
    ):
        faults.append(Fault(method="create", name=name, code=code, text=text))
        with pytest.raises(InfrastructureError, match="harbor-home") as caught:
            trial.up()
        assert f"create {name}: creating gcp:compute/" in caught.value.explain()
        assert told in caught.value.explain()
    trial.up()
    faults.append(Fault(method="delete", name="manager-1", code="authError", text=expired))
    with pytest.raises(InfrastructureError) as caught:
        trial.destroy()
    assert f"Error 401: {expired}" in caught.value.explain()
    assert trial.cloud.account.left() != []
    trial.destroy()


def _disk(trial: CloudTrial, instance: Mapping[str, Any]) -> Mapping[str, Any]:
    found = trial.cloud.account.one(DISK, "selfLink", instance["bootDisk"]["source"])
    assert found
    return found


def test_what_a_killed_run_was_making_is_told_with_its_name(trial: CloudTrial) -> None:
    """It came to be, and has the host's disk: `up` and `destroy` say what is in their way until it is deleted."""
    account = trial.cloud.account
    trial.up()
    lost = trial.forget_the_end_of("worker-1")
    named = lost.rpartition("/")[2]
    with pytest.raises(InfrastructureError) as caught:
        trial.up()
    told = f"Instance worker-1 was being made when a run was cut off: if {named} is there, delete it"
    assert any(told in event.text for event in trial.events)
    assert f"is already being used by '{lost}'" in caught.value.explain()
    with pytest.raises(InfrastructureError, match="harbor-home"):
        trial.destroy()
    account.delete(INSTANCE, lost, "by hand")
    assert len(trial.up().hosts) == 2
    trial.destroy()

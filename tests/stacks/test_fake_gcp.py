"""The fake Google Cloud refuses what the real one's API would."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cloud import sdk
from tests.fakes.cloud.account import Account
from tests.fakes.cloud.cloud import RefusedError
from tests.fakes.cloud.gcp import Gcp, give_subnet
from tests.fakes.cloud.gcp_kinds import (
    ACCOUNT,
    ADDRESS,
    BUCKET,
    DISK,
    FIREWALL,
    GROUP,
    INSTANCE,
    NETWORK,
    PROJECT,
    REGION,
    SUBNET,
)

_ZONE = f"{REGION}-a"


@pytest.fixture
def account() -> Account:
    """One with a subnet, and nothing in it."""
    found = Account(Gcp())
    give_subnet(found, "shared", "10.0.0.0/24")
    return found


def _link(account: Account, kind: str) -> str:
    return str(account.all(kind)[0]["selfLink"])


def _disk(account: Account, name: str, **more: Any) -> str:
    image = account.cloud.images[0]["selfLink"]
    _, made = account.create(
        DISK, name, {"name": name, "zone": _ZONE, "image": image, "size": 50, "type": "pd-ssd", **more}
    )
    return str(made["selfLink"])


def _instance(account: Account, name: str, disk: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "zone": _ZONE,
        "machineType": "n2-standard-2",
        "bootDisk": {"source": disk},
        "networkInterfaces": [{"subnetwork": _link(account, SUBNET)}],
        **more,
    }


@pytest.mark.parametrize(
    ("kind", "inputs", "fault"),
    [
        (NETWORK, {"autoCreateSubnets": False}, ("autoCreateSubnets", "there is no such property")),
        (SUBNET, {"ipCidrRange": "10.0.0.0/20"}, ("network", "this property is required")),
        (DISK, {"size": "50Gi"}, ("size", "must be int, not str")),
        (
            FIREWALL,
            {"network": "n", "allows": [{"ports": ["22"]}]},
            ("allows[0].protocol", "this property is required"),
        ),
        (
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"bucket": "b", "member": "m"},
            ("role", "this property is re"),
        ),
    ],
)
def test_what_the_sdk_does_not_have_is_refused(kind: str, inputs: dict[str, Any], fault: tuple[str, str]) -> None:
    """By its own types, whatever letters its files' names are made of."""
    ((key, reason),) = sdk.faults(kind, inputs)
    assert key == fault[0]
    assert reason.startswith(fault[1])


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        (NETWORK, {"name": "Harbor"}, "Must be a match of regex"),
        (NETWORK, {"name": "n" * 64}, "Must be a match of regex"),
        (NETWORK, {"name": "shared"}, r"'shared' \(Network\) already exists"),
        (SUBNET, {"name": "s", "network": "LINK", "region": REGION, "ipCidrRange": "10.0.0.128/25"}, "Conflicts with"),
        (
            SUBNET,
            {"name": "s", "network": "LINK", "region": "us-east1", "ipCidrRange": "10.1.0.0/24"},
            "Unknown region",
        ),
        (SUBNET, {"name": "s", "network": "x", "region": REGION, "ipCidrRange": "10.1.0.0/24"}, "'x' .* was not found"),
        (FIREWALL, {"name": "f", "network": "LINK", "sourceTags": ["a"]}, "exactly one of allowed and denied"),
        (FIREWALL, {"name": "f", "network": "LINK", "allows": [{"protocol": "tcp"}]}, "has sources"),
        (
            FIREWALL,
            {"name": "f", "network": "LINK", "allows": [{"protocol": "tcp", "ports": ["ssh"]}], "sourceTags": ["a"]},
            "ports': 'ssh'",
        ),
        (ADDRESS, {"name": "a", "region": REGION, "addressType": "INTERNAL"}, "is one of a subnetwork"),
        (DISK, {"name": "d", "zone": f"{REGION}-z", "type": "pd-ssd"}, "Unknown zone"),
        (DISK, {"name": "d", "zone": _ZONE, "type": "pd-ssd", "image": "debian"}, "'debian' was not found"),
        (ACCOUNT, {"accountId": "short"}, "'accountId': 'short'"),
        (BUCKET, {"name": "Harbor", "location": "EU"}, "Invalid bucket name"),
    ],
)
def test_what_is_wrong_is_refused(account: Account, kind: str, inputs: dict[str, Any], reason: str) -> None:
    """Names, ranges, places, rules: with Google's words."""
    given = {key: _link(account, NETWORK) if value == "LINK" else value for key, value in inputs.items()}
    with pytest.raises(RefusedError, match=reason):
        account.create(kind, "x", given)


def test_a_disk_is_one_instances(account: Account) -> None:
    """It stays while that is there, and so does an address."""
    disk = _disk(account, "d")
    made, _ = account.create(INSTANCE, "x", _instance(account, "x", disk))
    with pytest.raises(RefusedError, match="already being used by"):
        account.create(INSTANCE, "y", _instance(account, "y", disk))
    with pytest.raises(RefusedError, match=f"disks resource .*/d' is already being used by '{made}'"):
        account.delete(DISK, account.all(DISK)[0]["id"], "d")
    account.delete(INSTANCE, made, "x")
    account.delete(DISK, account.all(DISK)[0]["id"], "d")
    assert account.left() == []


def test_an_address_is_one_instances(account: Account) -> None:
    """And is the one that was reserved."""
    _, reserved = account.create(
        ADDRESS,
        "a",
        {"name": "a", "region": REGION, "addressType": "INTERNAL", "subnetwork": _link(account, SUBNET)},
    )
    interface = [{"subnetwork": _link(account, SUBNET), "networkIp": reserved["address"]}]
    _, made = account.create(INSTANCE, "x", _instance(account, "x", _disk(account, "d"), networkInterfaces=interface))
    assert made["networkInterfaces"][0]["networkIp"] == reserved["address"] == "10.0.0.2"
    with pytest.raises(RefusedError, match="IP_IN_USE"):
        account.create(INSTANCE, "y", _instance(account, "y", _disk(account, "e"), networkInterfaces=interface))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"zone": f"{REGION}-b"}, "It is in another zone"),
        ({"serviceAccount": {"email": "x@y", "scopes": []}}, "'x@y' .* was not found"),
        ({"scheduling": {"provisioningModel": "SPOT"}}, "Cannot be set for preemptible instance"),
        ({"labels": {"Name": "x"}}, "'resource.labels': 'Name=x'"),
    ],
)
def test_an_instance_has_to_fit(account: Account, more: dict[str, Any], reason: str) -> None:
    """To its disk, its account, and its kind."""
    disk = _disk(account, "d")
    with pytest.raises(RefusedError, match=reason):
        account.create(INSTANCE, "x", _instance(account, "x", disk, **more))


def test_a_group_has_instances_of_its_zone(account: Account) -> None:
    """And they stay while they are in it."""
    _, made = account.create(INSTANCE, "x", _instance(account, "x", _disk(account, "d")))
    group = {"name": "g", "zone": f"{REGION}-b", "instances": [made["selfLink"]]}
    with pytest.raises(RefusedError, match="Must be in the group's zone"):
        account.create(GROUP, "g", group)
    account.create(GROUP, "g", {**group, "zone": _ZONE})
    with pytest.raises(RefusedError, match="already being used by"):
        account.delete(INSTANCE, made["id"], "x")


def test_a_service_account_may_be_there_already(account: Account) -> None:
    """Where that is asked for."""
    made, _ = account.create(ACCOUNT, "a", {"accountId": "managers"})
    with pytest.raises(RefusedError, match="already exists"):
        account.create(ACCOUNT, "a", {"accountId": "managers"})
    assert account.create(ACCOUNT, "a", {"accountId": "managers", "createIgnoreAlreadyExists": True})[0] == made


def test_a_bucket_with_something_in_it_stays(account: Account) -> None:
    """Whoever asks."""
    bucket, _ = account.create(BUCKET, "b", {"name": "harbor", "location": "EU"})
    account.things[BUCKET, bucket]["objects"] = 1
    with pytest.raises(RefusedError, match="not empty"):
        account.delete(BUCKET, bucket, "b")


def test_errors_are_worded_as_googles(account: Account) -> None:
    """With a status, a reason, and a code to look for."""
    with pytest.raises(RefusedError) as caught:
        account.create(SUBNET, "s", {"name": "s", "network": "x", "region": REGION, "ipCidrRange": "10.1.0.0/24"})
    assert account.cloud.told(caught.value) == (
        "googleapi: Error 404: The resource 'x' (Network) was not found, notFound"
    )
    assert account.all(SUBNET)[0]["id"] == f"projects/{PROJECT}/regions/{REGION}/subnetworks/shared"

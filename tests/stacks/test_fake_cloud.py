"""Fake clouds refuse what the real ones' API would: tests of stacks are only as good as that."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.fakes.cloud import sdk
from tests.fakes.cloud.account import Account, Fault
from tests.fakes.cloud.aws import Aws, give_network
from tests.fakes.cloud.azure import Azure
from tests.fakes.cloud.cloud import Cloud, RefusedError
from tests.fakes.cloud.gcp import Gcp

_VPC, _SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
_GROUP, _INSTANCE = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/instance:Instance"
_RULE, _BUCKET = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:s3/bucket:Bucket"


@pytest.fixture
def account() -> Account:
    """One with a network, and nothing in it."""
    found = Account(Aws())
    give_network(found, "10.0.0.0/16")
    return found


def _instance(account: Account, **more: Any) -> dict[str, Any]:
    (subnet, *_) = (data["id"] for data in account.all(_SUBNET))
    return {"ami": account.cloud.images[0]["imageId"], "subnetId": subnet, "instanceType": "m7i.large", **more}


@pytest.mark.parametrize(
    ("kind", "inputs", "fault"),
    [
        (_VPC, {"cidrBlok": "10.0.0.0/16"}, ("cidrBlok", "there is no such property")),
        (_SUBNET, {"cidrBlock": "10.0.0.0/20"}, ("vpcId", "this property is required")),
        (_VPC, {"cidrBlock": 10}, ("cidrBlock", "must be str, not int")),
        (_INSTANCE, {"rootBlockDevice": {"encrypt": True}}, ("rootBlockDevice.encrypt", "there is no such property")),
        (_INSTANCE, {"vpcSecurityGroupIds": "sg-1"}, ("vpcSecurityGroupIds", "must be a list")),
        (
            "aws:lb/listener:Listener",
            {"loadBalancerArn": "a", "defaultActions": [{}]},
            ("defaultActions[0].type", "this property is required"),
        ),
        (
            "azure-native:network:Subnet",
            {"resourceGroupName": "x", "addressPrefix": "10.0.0.0/20"},
            ("virtualNetworkName", "this property is required"),
        ),
        (
            "azure-native:network:NetworkSecurityGroup",
            {"resourceGroupName": "x", "securityRules": [{"access": "Allow", "protocol": "Tcp"}]},
            ("securityRules[0].direction", "this property is required"),
        ),
    ],
)
def test_what_the_sdk_does_not_have_is_refused(kind: str, inputs: dict[str, Any], fault: tuple[str, str]) -> None:
    """By its own types: unknown, missing and of another type, however deep."""
    assert sdk.faults(kind, inputs) == [fault]


@pytest.mark.parametrize("cloud", [Aws, Azure, Gcp])
def test_every_kind_is_one_of_the_sdk(cloud: type[Cloud]) -> None:
    """With the inputs by which it refers to others."""
    for token, kind in cloud.kinds.items():
        for path in kind.refers:
            assert sdk.takes(token, path.partition(".")[0]), (token, path)


def test_references_that_lead_nowhere_are_refused(account: Account) -> None:
    """By what does not exist."""
    with pytest.raises(RefusedError, match=r"InvalidSubnetID\.NotFound"):
        account.create(_INSTANCE, "x", _instance(account, subnetId="subnet-1"))
    with pytest.raises(RefusedError, match=r"InvalidAMIID\.NotFound"):
        account.create(_INSTANCE, "x", _instance(account, ami="ami-1"))


def test_what_others_need_is_not_deleted(account: Account) -> None:
    """A group that an instance is in; its own rules go with it."""
    vpc = account.all(_VPC)[0]["id"]
    group, _ = account.create(_GROUP, "g", {"vpcId": vpc, "name": "g"})
    rule = {"securityGroupId": group, "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/16", "fromPort": 22, "toPort": 22}
    account.create(_RULE, "r", rule)
    made, _ = account.create(_INSTANCE, "x", _instance(account, vpcSecurityGroupIds=[group]))
    with pytest.raises(RefusedError, match=f"DependencyViolation.*{made}"):
        account.delete(_GROUP, group, "g")
    account.delete(_INSTANCE, made, "x")
    account.delete(_GROUP, group, "g")
    account.delete(_GROUP, group, "g")  # gone already
    assert account.left() == []


def test_names_stand_for_one_thing(account: Account) -> None:
    """In a network, in the account, or in the world."""
    vpc = account.all(_VPC)[0]["id"]
    account.create(_GROUP, "g", {"vpcId": vpc, "name": "g"})
    with pytest.raises(RefusedError, match=r"SecurityGroup\.Duplicate"):
        account.create(_GROUP, "h", {"vpcId": vpc, "name": "g"})
    account.create(_BUCKET, "b", {"bucket": "b"})
    with pytest.raises(RefusedError, match=r"Bucket\.Duplicate"):
        account.create(_BUCKET, "c", {"bucket": "b"})


def test_what_is_protected_stays(account: Account) -> None:
    """An instance until it is told otherwise, a bucket as long as something is in it."""
    made, _ = account.create(_INSTANCE, "x", _instance(account, disableApiTermination=True))
    with pytest.raises(RefusedError, match="OperationNotPermitted"):
        account.delete(_INSTANCE, made, "x")
    bucket, _ = account.create(_BUCKET, "b", {"bucket": "b"})
    account.things[_BUCKET, bucket]["objects"] = 1
    with pytest.raises(RefusedError, match="BucketNotEmpty"):
        account.delete(_BUCKET, bucket, "b")


@pytest.mark.parametrize("cidr", ["10.1.0.0/24", "10.0.0.0/24"])
def test_subnets_lie_in_their_network_and_apart(account: Account, cidr: str) -> None:
    """As routers want it."""
    vpc = account.all(_VPC)[0]["id"]
    with pytest.raises(RefusedError, match="InvalidSubnet"):
        account.create(_SUBNET, "s", {"vpcId": vpc, "cidrBlock": cidr, "availabilityZone": "eu-central-1a"})


def test_it_can_be_told_to_fail_and_to_stall(account: Account) -> None:
    """One call of one resource."""
    account.faults.append(Fault(method="create", name="b", code="RequestLimitExceeded", text="slow down"))
    with pytest.raises(RefusedError, match="RequestLimitExceeded: slow down"):
        account.create(_BUCKET, "b", {"bucket": "b"})
    stall = threading.Event()
    account.faults.append(Fault(method="create", name="b", stall=stall))
    thread = threading.Thread(target=account.create, args=(_BUCKET, "b", {"bucket": "b"}))
    thread.start()
    assert account.all(_BUCKET) == []
    stall.set()
    thread.join()
    assert len(account.all(_BUCKET)) == 1

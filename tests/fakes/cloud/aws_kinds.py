"""The kinds of things that the fake AWS has: what they refer to, what is unique, and what they are given when made.

One entry for each resource type that stacks/aws uses, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.cloud.cloud import Data, Kind, RefusedError

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

OWNER: Final = "111122223333"  # AWS' own example of an account
REGION: Final = "eu-central-1"
ZONES: Final = [f"{REGION}{letter}" for letter in "abc"]
VPC, SUBNET, INSTANCE = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/instance:Instance"
VOLUME, ATTACHMENT = "aws:ebs/volume:Volume", "aws:ec2/volumeAttachment:VolumeAttachment"
GATEWAY, _NAT, EIP = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/natGateway:NatGateway", "aws:ec2/eip:Eip"
_TABLE, GROUP = "aws:ec2/routeTable:RouteTable", "aws:ec2/securityGroup:SecurityGroup"
_BALANCER, _TARGETS = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
BUCKET, _ROLE, _PROFILE = "aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"
INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_LISTENERS: Final = 50  # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
_DESCRIPTION: Final = re.compile(r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def _arn(service: str, account: Account, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{OWNER}:{rest}"


def _ec2(what: str) -> Callable[[Account, str, Data], dict[str, Any]]:
    return lambda account, id_, inputs: {"arn": _arn("ec2", account, f"{what}/{id_}")}


def _subnet_fits(account: Account, inputs: Data) -> None:
    mine = IPv4Network(inputs["cidrBlock"])
    if not mine.subnet_of(IPv4Network(account.get(VPC, inputs["vpcId"])["cidrBlock"])):
        raise RefusedError("InvalidSubnet.Range", f"The CIDR '{mine}' is invalid.")
    others = [data for data in account.all(SUBNET) if data["vpcId"] == inputs["vpcId"]]
    if any(mine.overlaps(IPv4Network(other["cidrBlock"])) for other in others):
        raise RefusedError("InvalidSubnet.Conflict", f"The CIDR '{mine}' conflicts with another subnet")
    if inputs.get("availabilityZone", ZONES[0]) not in ZONES:
        raise RefusedError("InvalidParameterValue", f"Value ({inputs['availabilityZone']}) is invalid.")


def _way_out(account: Account, subnet: str) -> None:
    """Raise RefusedError where a network has no gateway to the internet; one that was given has its own."""
    vpc = account.get(SUBNET, subnet)["vpcId"]
    if (VPC, vpc) not in account.given and not any(one["vpcId"] == vpc for one in account.all(GATEWAY)):
        raise RefusedError("Gateway.NotAttached", f"Network {vpc} is not attached to any internet gateway")


def _balancer_fits(account: Account, inputs: Data) -> None:
    if not inputs.get("internal"):
        _way_out(account, inputs["subnets"][0])


def _listener_fits(account: Account, inputs: Data) -> None:
    kind, arn = "aws:lb/listener:Listener", inputs["loadBalancerArn"]
    if sum(one["loadBalancerArn"] == arn for one in account.all(kind)) >= _LISTENERS:
        raise RefusedError("TooManyListeners", "The maximum number of listeners has been reached on this load balancer")


def _address_fits(account: Account, inputs: Data) -> None:
    if inputs.get("instance"):
        _way_out(account, account.get(INSTANCE, inputs["instance"])["subnetId"])
    if len(account.all(EIP)) >= account.quota["addresses"]:
        raise RefusedError("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def _rule_is_right(account: Account, inputs: Data) -> None:
    sources = [key for key in ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId") if inputs.get(key)]
    if len(sources) != 1:
        raise RefusedError("InvalidParameterCombination", f"exactly one source is wanted, not {sources}")
    if not _DESCRIPTION.fullmatch(inputs.get("description", "")):
        raise RefusedError("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less ...")


def _instance_fits(account: Account, inputs: Data) -> None:
    if inputs["ami"] not in {image["imageId"] for image in account.cloud.images}:
        raise RefusedError("InvalidAMIID.NotFound", f"The image id '[{inputs['ami']}]' does not exist")
    if len(account.all(INSTANCE)) >= account.quota["instances"]:
        text = "You have requested more vCPU capacity than your current vCPU limit allows for the instance bucket"
        raise RefusedError("VcpuLimitExceeded", text)


def _volume_fits(account: Account, inputs: Data) -> None:
    if inputs["availabilityZone"] not in ZONES:
        raise RefusedError("InvalidZone.NotFound", f"The zone '{inputs['availabilityZone']}' does not exist.")


def _attachment_fits(account: Account, inputs: Data) -> None:
    volume, instance = account.get(VOLUME, inputs["volumeId"]), account.get(INSTANCE, inputs["instanceId"])
    if volume["availabilityZone"] != instance["availabilityZone"]:
        raise RefusedError("InvalidVolume.ZoneMismatch", f"The volume '{volume['id']}' is in another zone.")


def _instance(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    zone = account.get(SUBNET, inputs["subnetId"])["availabilityZone"]
    return {
        "arn": _arn("ec2", account, f"instance/{id_}"),
        "availabilityZone": zone,
        "instanceState": "running",
        "primaryNetworkInterfaceId": id_.replace("i-", "eni-"),
    }


def _by_arn(service: str, what: str) -> Callable[[Account, str, Data], dict[str, Any]]:
    return lambda account, id_, inputs: {"arn": id_, "arnSuffix": id_.partition(f"{what}/")[2]}


def _balancer(account: Account, id_: str, inputs: Data) -> dict[str, Any]:
    suffix = id_.rpartition("/")[2]
    host = f"{inputs['name']}-{suffix}.elb.{REGION}.amazonaws.com"
    if account.machines is not None:
        host = "127.0.0.1"  # nobody is to ask the real DNS, and nothing listens there
    return {"arn": id_, "arnSuffix": id_.partition("loadbalancer/")[2], "zoneId": "Z3F0SRJ5LGBH90", "dnsName": host}


def _balanced(prefix: str) -> str:
    return f"arn:aws:elasticloadbalancing:{REGION}:{OWNER}:{prefix}/"


_RULE: Final = Kind(
    prefix="sgr-",
    refers={"securityGroupId": (GROUP, "id"), "referencedSecurityGroupId": (GROUP, "id")},
    unique=("securityGroupId", "ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedSecurityGroupId"),
    part_of="securityGroupId",
    made=_ec2("security-group-rule"),
    check=_rule_is_right,
    replaced_by=frozenset({"securityGroupId"}),
)
_OF_BUCKET: Final = Kind(
    refers={"bucket": (BUCKET, "id")},
    id_of=lambda inputs: str(inputs["bucket"]),
    replaced_by=frozenset({"bucket"}),
)

KINDS: Final[dict[str, Kind]] = {
    VPC: Kind(prefix="vpc-", made=_ec2("vpc"), replaced_by=frozenset({"cidrBlock"})),
    GATEWAY: Kind(prefix="igw-", refers={"vpcId": (VPC, "id")}, made=_ec2("internet-gateway")),
    SUBNET: Kind(
        prefix="subnet-",
        refers={"vpcId": (VPC, "id")},
        replaced_by=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
        made=_ec2("subnet"),
        check=_subnet_fits,
    ),
    _TABLE: Kind(prefix="rtb-", refers={"vpcId": (VPC, "id")}, made=_ec2("route-table")),
    "aws:ec2/route:Route": Kind(
        prefix="r-",
        refers={"routeTableId": (_TABLE, "id"), "gatewayId": (GATEWAY, "id"), "natGatewayId": (_NAT, "id")},
        unique=("routeTableId", "destinationCidrBlock"),
        replaced_by=frozenset({"routeTableId", "destinationCidrBlock"}),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind(
        prefix="rtbassoc-",
        refers={"routeTableId": (_TABLE, "id"), "subnetId": (SUBNET, "id")},
        unique=("subnetId",),
        replaced_by=frozenset({"subnetId"}),
    ),
    EIP: Kind(prefix="eipalloc-", refers={"instance": (INSTANCE, "id")}, check=_address_fits),
    _NAT: Kind(
        prefix="nat-",
        refers={"allocationId": (EIP, "id"), "subnetId": (SUBNET, "id")},
        replaced_by=frozenset({"allocationId", "subnetId"}),
    ),
    GROUP: Kind(
        prefix="sg-",
        refers={"vpcId": (VPC, "id")},
        named="name",
        unique=("vpcId", "name"),
        replaced_by=frozenset({"name", "vpcId", "description"}),
        made=_ec2("security-group"),
    ),
    INGRESS: _RULE,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULE,
    INSTANCE: Kind(
        prefix="i-",
        refers={
            "subnetId": (SUBNET, "id"),
            "vpcSecurityGroupIds": (GROUP, "id"),
            "iamInstanceProfile": (_PROFILE, "name"),
        },
        replaced_by=frozenset({"ami", "subnetId", "associatePublicIpAddress", "instanceMarketOptions"}),
        made=_instance,
        check=_instance_fits,
    ),
    VOLUME: Kind(
        prefix="vol-",
        replaced_by=frozenset({"availabilityZone", "encrypted"}),
        made=_ec2("volume"),
        check=_volume_fits,
    ),
    ATTACHMENT: Kind(
        prefix="vai-",
        refers={"volumeId": (VOLUME, "id"), "instanceId": (INSTANCE, "id")},
        part_of="instanceId",  # it ends with that, and the volume is free
        unique=("instanceId", "deviceName"),
        replaced_by=frozenset({"volumeId", "instanceId", "deviceName"}),
        check=_attachment_fits,
    ),
    _BALANCER: Kind(
        prefix=_balanced("loadbalancer/net"),
        refers={"subnets": (SUBNET, "id"), "securityGroups": (GROUP, "id")},
        named="name",
        unique=("name",),
        replaced_by=frozenset({"name", "internal", "loadBalancerType"}),
        made=_balancer,
        check=_balancer_fits,
    ),
    _TARGETS: Kind(
        prefix=_balanced("targetgroup"),
        refers={"vpcId": (VPC, "id")},
        named="name",
        unique=("name",),
        replaced_by=frozenset({"name", "port", "protocol", "targetType", "vpcId"}),
        made=_by_arn("elasticloadbalancing", "targetgroup"),
    ),
    "aws:lb/listener:Listener": Kind(
        prefix=_balanced("listener/net"),
        refers={"loadBalancerArn": (_BALANCER, "id"), "defaultActions.targetGroupArn": (_TARGETS, "id")},
        unique=("loadBalancerArn", "port"),
        replaced_by=frozenset({"loadBalancerArn"}),
        made=lambda account, id_, inputs: {"arn": id_},
        check=_listener_fits,
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": Kind(
        prefix="attachment-",
        refers={"targetGroupArn": (_TARGETS, "id"), "targetId": (INSTANCE, "id")},
        unique=("targetGroupArn", "targetId", "port"),
        replaced_by=frozenset({"targetGroupArn", "targetId", "port"}),
    ),
    BUCKET: Kind(
        named="bucket",
        unique=("bucket",),
        id_of=lambda inputs: str(inputs["bucket"]),
        replaced_by=frozenset({"bucket", "bucketPrefix"}),
        made=lambda account, id_, inputs: {"arn": f"arn:aws:s3:::{id_}", "hostedZoneId": "Z21DNDUVLTQW6Q"},
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _OF_BUCKET,
    "aws:s3/bucketVersioning:BucketVersioning": _OF_BUCKET,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _OF_BUCKET,
    _ROLE: Kind(
        named="name",
        unique=("name",),
        id_of=lambda inputs: str(inputs["name"]),
        replaced_by=frozenset({"name"}),
        made=lambda account, id_, inputs: {
            "arn": f"arn:aws:iam::{OWNER}:role/{id_}",
            "createDate": "2026-11-01T00:00:00Z",
        },
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        named="name",
        refers={"role": (_ROLE, "id")},
        unique=("role", "name"),
        id_of=lambda inputs: f"{inputs['role']}:{inputs['name']}",
        replaced_by=frozenset({"role", "name"}),
    ),
    _PROFILE: Kind(
        named="name",
        refers={"role": (_ROLE, "name")},
        unique=("name",),
        id_of=lambda inputs: str(inputs["name"]),
        replaced_by=frozenset({"name"}),
        made=lambda account, id_, inputs: {"arn": f"arn:aws:iam::{OWNER}:instance-profile/{id_}"},
    ),
}

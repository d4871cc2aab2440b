"""AWS as the fake cloud has it: its one region, ids, images, addresses, security groups."""

from __future__ import annotations

import fnmatch
import secrets
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.fakes.cloud.aws_kinds import BUCKET, EIP, GATEWAY, INGRESS, INSTANCE, KINDS, REGION, SUBNET, VPC, ZONES
from tests.fakes.cloud.cloud import Cloud, Data, Kind, RefusedError, Rule

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

_RESERVED: Final = 4  # addresses at the start of each subnet are Amazon's
_IMAGES: Final = (
    ("136693071363", "debian-12-amd64-20261101-2300"),
    ("136693071363", "debian-13-amd64-20260901-2240"),
    ("136693071363", "debian-13-amd64-20261101-2300"),
    ("136693071363", "debian-13-arm64-20261101-2300"),
    ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101"),
    ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261101"),
)


class Aws(Cloud):
    """One account of Amazon's, with one region of three zones."""

    package: ClassVar[str] = "aws"
    version: ClassVar[str] = "7.51.1"
    region: ClassVar[str] = REGION
    quota: ClassVar[Mapping[str, int]] = {"instances": 64, "addresses": 8}
    kinds: ClassVar[Mapping[str, Kind]] = KINDS
    machine: ClassVar[str] = INSTANCE

    def __init__(self) -> None:
        self.images = [
            {"imageId": f"ami-{number:017x}", "ownerId": owner, "name": name, "architecture": _architecture(name)}
            for number, (owner, name) in enumerate(_IMAGES, start=0xA0)
        ]

    def configure(self, account: Account, config: Data) -> None:
        if config.get("region") != self.region:
            raise RefusedError("InvalidRegion", f"Invalid AWS Region: {config.get('region')}")

    def told(self, refused: RefusedError) -> str:
        return f"api error {refused}"

    def auto_name(self, kind: str, name: str, inputs: Data) -> str:
        start = inputs.get(f"{self.kinds[kind].named}Prefix") or f"{name}-"
        return start + secrets.token_hex(4)[:7]

    def new_id(self, kind: str, name: str) -> str:
        """`vpc-0a1b...`, or an ARN that has the name in it."""
        prefix = self.kinds[kind].prefix
        if prefix.startswith("arn:"):
            return f"{prefix}{name}/{secrets.token_hex(8)}"
        return f"{prefix}0{secrets.token_hex(8)}"

    def no_such(self, kind: str, path: str, value: Any) -> RefusedError:
        what = kind.rpartition(":")[2]
        return RefusedError(f"Invalid{what}ID.NotFound", f"The {what} '{value}' of {path} does not exist")

    def duplicate(self, kind: str, values: list[Any]) -> RefusedError:
        what = kind.rpartition(":")[2]
        return RefusedError(f"{what}.Duplicate", f"there is a {what} with {', '.join(map(str, values))} already")

    def in_use(self, id_: str, user: str) -> RefusedError:
        return RefusedError("DependencyViolation", f"resource {id_} has a dependent object: {user}")

    def stays(self, account: Account, kind: str, data: Data) -> None:
        if kind == GATEWAY and (address := _public_in(account, data["vpcId"])):
            raise RefusedError("DependencyViolation", f"Network has some mapped public address(es): {address}")
        if kind == INSTANCE and data.get("disableApiTermination") and not data.get("forceDestroy"):
            raise RefusedError("OperationNotPermitted", f"The instance '{data['id']}' may not be terminated.")
        if kind == BUCKET and data.get("objects") and not data.get("forceDestroy"):
            raise RefusedError("BucketNotEmpty", "The bucket you tried to delete is not empty")

    def addresses(self, account: Account, kind: str, data: Data) -> dict[str, Any]:
        if kind == INSTANCE:
            return _addresses(account, data)
        if kind == EIP:
            behind = account.things.get((INSTANCE, str(data.get("instance", ""))))
            real = behind["publicIp"] if behind and account.machines is not None else account.public_address("publicIp")
            return {"allocationId": data["id"], "publicIp": real}
        return {}

    def invoke(self, account: Account, token: str, args: Data) -> dict[str, Any]:
        filters = {one["name"]: one["values"] for one in args.get("filters", ())}
        match token:
            case "aws:ec2/getAmi:getAmi":
                image = self._image(args["owners"], filters)
                return {**image, "id": image["imageId"], "state": "available"}
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                return {"id": self.region, "names": ZONES, "state": args["state"]}
            case "aws:ec2/getVpc:getVpc":
                found = account.read(VPC, args["id"])
                if found is None:
                    raise RefusedError("InvalidVpcID.NotFound", f"The vpc ID '{args['id']}' does not exist")
                return found
            case _:
                raise RefusedError("UnknownFunction", f"this fake has no {token}")

    def title(self, data: Data) -> str:
        return str(data["tags"]["Name"])

    def user_data(self, data: Data) -> str:
        return str(data["userData"])

    def address(self, account: Account, data: Data) -> str:
        return str(data["privateIp"])

    def rules(self, account: Account, data: Data, running: Collection[Data]) -> Iterator[Rule]:
        for rule in account.all(INGRESS):
            if rule["securityGroupId"] not in data["vpcSecurityGroupIds"]:
                continue
            group = rule.get("referencedSecurityGroupId")
            members = {one["privateIp"] for one in running if group in one["vpcSecurityGroupIds"]}
            sources = members if group else {rule["cidrIpv4"]}
            if sources:
                yield Rule(rule["ipProtocol"], rule["fromPort"], rule["toPort"], frozenset(sources))

    def _image(self, owners: list[str], filters: Mapping[str, list[str]]) -> Data:
        """The newest image that fits; raises RefusedError."""
        fitting = [
            image
            for image in self.images
            if image["ownerId"] in owners
            and any(fnmatch.fnmatch(image["name"], one) for one in filters["name"])
            and image["architecture"] in filters.get("architecture", [image["architecture"]])
        ]
        if not fitting:
            raise RefusedError("NoImage", "Your query returned no results. Please change your search criteria")
        return max(fitting, key=lambda image: image["name"])


def give_network(account: Account, cidr: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A network that somebody else made: its id, and subnets and public subnets by zone."""
    vpc = account.give(VPC, "vpc-0aa00aa00aa00aa00", {"cidrBlock": cidr})
    pieces = iter(IPv4Network(cidr).subnets(4))
    made: list[dict[str, str]] = []
    for kind in (1, 2):
        ids = {zone[-1]: f"subnet-0{kind}0{zone[-1] * 14}" for zone in ZONES}
        for zone in ZONES:
            data = {"vpcId": vpc, "cidrBlock": str(next(pieces)), "availabilityZone": zone}
            account.give(SUBNET, ids[zone[-1]], data)
        made.append(ids)
    return vpc, made[0], made[1]


def _addresses(account: Account, data: Data) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if account.machines is not None:
        private = public = account.reserve(kept)
    else:
        network = IPv4Network(account.get(SUBNET, data["subnetId"])["cidrBlock"])
        private, public = account.free(network, "privateIp", _RESERVED), account.public_address("publicIp")
    return {**kept, "privateIp": private, "publicIp": public if data.get("associatePublicIpAddress") else ""}


def _public_in(account: Account, vpc: str) -> str:
    """A public address that an instance in a network has, or nothing."""
    inside = {data["id"] for data in account.all(SUBNET) if data["vpcId"] == vpc}
    return next((one["publicIp"] for one in account.all(INSTANCE) if one["subnetId"] in inside and one["publicIp"]), "")


def _architecture(name: str) -> str:
    return "arm64" if "arm64" in name else "x86_64"

"""Google Cloud as the fake has it: one project with one region of three zones, images, addresses, firewall rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.fakes.cloud.cloud import Cloud, Data, Kind, RefusedError, Rule, at
from tests.fakes.cloud.gcp_kinds import (
    ADDRESS,
    BUCKET,
    FIREWALL,
    FORWARDING,
    INSTANCE,
    KINDS,
    NETWORK,
    PROJECT,
    REGION,
    SUBNET,
    ZONES,
    in_use,
)

if TYPE_CHECKING:
    from tests.fakes.cloud.account import Account

_RESERVED: Final = 2  # addresses at the start of each subnet are Google's
_STATUS: Final = {
    "notFound": 404,
    "alreadyExists": 409,
    "conflict": 409,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "authError": 401,
    "internalError": 500,
}
_IMAGES: Final = (
    ("ubuntu-2204-lts", "ubuntu-2204-jammy-v20261101"),
    ("ubuntu-2404-lts-amd64", "ubuntu-2404-noble-amd64-v20260901"),
    ("ubuntu-2404-lts-amd64", "ubuntu-2404-noble-amd64-v20261101"),
)


class Gcp(Cloud):
    """One project of Google Cloud."""

    package: ClassVar[str] = "gcp"
    version: ClassVar[str] = "10.2.0"
    region: ClassVar[str] = REGION
    quota: ClassVar[Mapping[str, int]] = {"instances": 64, "addresses": 8}
    kinds: ClassVar[Mapping[str, Kind]] = KINDS
    machine: ClassVar[str] = INSTANCE

    def __init__(self) -> None:
        self.images = [_image(family, name) for family, name in _IMAGES]

    def configure(self, account: Account, config: Data) -> None:
        if config.get("project") != PROJECT:
            raise RefusedError("forbidden", f"Permission denied on resource project {config.get('project')}.")

    def told(self, refused: RefusedError) -> str:
        return f"googleapi: Error {_STATUS.get(refused.code, 400)}: {refused.text}, {refused.code}"

    def new_id(self, kind: str, name: str) -> str:
        raise AssertionError(f"Google makes all ids of what is asked for; {kind} has no rule for its own")

    def no_such(self, kind: str, path: str, value: Any) -> RefusedError:
        return RefusedError("notFound", f"The resource '{value}' ({kind.rpartition(':')[2]}) was not found")

    def duplicate(self, kind: str, values: list[Any]) -> RefusedError:
        what = kind.rpartition(":")[2]
        code = "conflict" if kind == BUCKET else "alreadyExists"
        return RefusedError(code, f"The resource '{'/'.join(map(str, values))}' ({what}) already exists")

    def in_use(self, id_: str, user: str) -> RefusedError:
        return in_use(id_.split("/")[-2], id_, user)

    def stays(self, account: Account, kind: str, data: Data) -> None:
        if kind == BUCKET and data.get("objects") and not data.get("forceDestroy"):
            raise RefusedError("conflict", "The bucket you tried to delete is not empty.")

    def addresses(self, account: Account, kind: str, data: Data) -> dict[str, Any]:
        if kind == ADDRESS:
            return _reserved(account, data)
        if kind == INSTANCE:
            return {"networkInterfaces": [_interface(account, data)]}
        if kind == FORWARDING:
            if account.machines is not None:
                return {"ipAddress": "127.0.0.1"}  # nobody is to ask elsewhere, and nothing listens there
            inside = data["loadBalancingScheme"] == "INTERNAL"
            subnet = data["subnetwork"] if inside else ""
            return {"ipAddress": _free(account, subnet) if inside else account.public_address("ipAddress")}
        return {}

    def updated(self, account: Account, kind: str, id_: str, inputs: Data) -> dict[str, Any]:
        return {"networkInterfaces": account.things[kind, id_]["networkInterfaces"]} if kind == INSTANCE else {}

    def invoke(self, account: Account, token: str, args: Data) -> dict[str, Any]:
        match token:
            case "gcp:compute/getImage:getImage":
                found = [one for one in self.images if one["family"] == args["family"]]
                if not found or args["project"] != "ubuntu-os-cloud":
                    raise RefusedError("notFound", f"The resource 'images/family/{args['family']}' was not found")
                return max(found, key=lambda one: one["name"])
            case "gcp:compute/getZones:getZones":
                return {"id": REGION, "names": ZONES, "region": REGION, "project": PROJECT, "status": args["status"]}
            case "gcp:compute/getSubnetwork:getSubnetwork":
                subnet = account.one(SUBNET, "name", args["name"])
                if subnet is None:
                    raise RefusedError("notFound", f"The resource 'subnetworks/{args['name']}' was not found")
                return dict(subnet)
            case _:
                raise RefusedError("UnknownFunction", f"this fake has no {token}")

    def title(self, data: Data) -> str:
        return str(data["labels"]["name"])

    def user_data(self, data: Data) -> str:
        return str(data["metadata"]["user-data"])

    def address(self, account: Account, data: Data) -> str:
        return str(data["networkInterfaces"][0]["networkIp"])

    def rules(self, account: Account, data: Data, running: Collection[Data]) -> Iterator[Rule]:
        for rule in account.all(FIREWALL):
            if rule.get("direction") == "EGRESS" or not set(rule["targetTags"]) & set(data["tags"]):
                continue
            tags = set(rule.get("sourceTags") or ())
            members = {self.address(account, one) for one in running if tags & set(one["tags"])}
            sources = frozenset({*members, *(rule.get("sourceRanges") or ())})
            for allowed in rule["allows"] if sources else ():
                for ports in allowed["ports"]:
                    first, _, last = ports.partition("-")
                    yield Rule(allowed["protocol"], int(first), int(last or first), sources)


def give_subnet(account: Account, name: str, cidr: str) -> None:
    """A network that somebody else made, and a subnet in it."""
    network = account.give(NETWORK, f"projects/{PROJECT}/global/networks/{name}", {"name": name})
    link = account.get(NETWORK, network)["selfLink"]
    inputs = {"name": name, "network": link, "region": REGION, "ipCidrRange": cidr}
    account.give(SUBNET, f"projects/{PROJECT}/regions/{REGION}/subnetworks/{name}", inputs)


def _reserved(account: Account, data: Data) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if account.machines is not None:
        return {"address": account.reserve(kept), **kept}
    inside = data["addressType"] == "INTERNAL"
    return {"address": _free(account, data["subnetwork"]) if inside else account.public_address("address")}


def _free(account: Account, subnet: str) -> str:
    """An address that neither a reserved one nor a balancer has."""
    found = account.one(SUBNET, "selfLink", subnet)
    assert found is not None
    taken = {value for data in account.things.values() for key in ("address", "ipAddress") for value in at(data, key)}
    taken |= {value for data in account.all(INSTANCE) for value in at(data, "networkInterfaces.networkIp")}
    network = IPv4Network(found["ipCidrRange"])
    return next(str(one) for one in list(network.hosts())[_RESERVED - 1 :] if str(one) not in taken)


def _interface(account: Account, data: Data) -> dict[str, Any]:
    """As it is asked for, with the addresses that it is not asked for with."""
    wanted = dict(data["networkInterfaces"][0])
    outside = [dict(one) for one in wanted.get("accessConfigs") or ()]
    if account.machines is not None:  # a machine of these has one address, whoever asks
        known = wanted.get("networkIp") or outside[0]["natIp"]
        return {**wanted, "networkIp": known, "accessConfigs": [{**one, "natIp": known} for one in outside]}
    for one in outside:
        one.setdefault("natIp", account.public_address("networkInterfaces.accessConfigs.natIp"))
    inside = wanted.get("networkIp") or _free(account, wanted["subnetwork"])
    return {**wanted, "networkIp": inside, "accessConfigs": outside}


def _image(family: str, name: str) -> dict[str, Any]:
    link = f"https://www.googleapis.com/compute/v1/projects/ubuntu-os-cloud/global/images/{name}"
    return {"family": family, "name": name, "selfLink": link, "id": link.partition("v1/")[2]}

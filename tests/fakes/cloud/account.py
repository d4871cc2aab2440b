"""One account of the fake cloud: what there is, what may be asked for, and what is refused."""

from __future__ import annotations

import fnmatch
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Final, Protocol

from tests.fakes.cloud.aws import (
    BUCKET,
    GATEWAY,
    GROUP,
    INGRESS,
    INSTANCE,
    KINDS,
    SUBNET,
    VPC,
    Data,
    RefusedError,
    references,
)

_RESERVED: Final = 4  # addresses at the start of each subnet are Amazon's
_PUBLIC: Final = IPv4Network("203.0.113.0/24")  # RFC 5737, for documentation
_IMAGES: Final = (
    ("136693071363", "debian-12-amd64-20261101-2300"),
    ("136693071363", "debian-13-amd64-20260901-2240"),
    ("136693071363", "debian-13-amd64-20261101-2300"),
    ("136693071363", "debian-13-arm64-20261101-2300"),
    ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101"),
    ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261101"),
)


@dataclass(frozen=True)
class Rule:
    """Who may come in where: ports from `first` to `last`, from any of `sources` (addresses or ranges)."""

    protocol: str
    first: int
    last: int
    sources: frozenset[str]


class Machines(Protocol):
    """What boots instances, where they are to be real."""

    def start(self, id_: str, user_data: str) -> str:
        """Boot one, as its user data says; returns its address."""
        ...

    def stop(self, id_: str) -> None: ...

    def allow(self, id_: str, rules: frozenset[Rule]) -> None:
        """Let in what these rules say, and nothing else."""
        ...


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong: the next `times` calls of `method` for a resource of this name are refused.

    `stall`: they wait for it instead, and then succeed.
    """

    method: str
    name: str
    code: str = "InternalError"
    text: str = "An internal error has occurred"
    times: int = 1
    stall: threading.Event | None = None


@dataclass
class Account:
    """`things`: (type, id) -> inputs and outputs. Without `machines`, instances are addresses with nothing behind."""

    region: str = "eu-central-1"
    machines: Machines | None = None
    quota: dict[str, int] = field(default_factory=lambda: {"instances": 64, "addresses": 8})
    things: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # method, type, name
    lock: threading.RLock = field(default_factory=threading.RLock)
    booted: set[str] = field(default_factory=set)  # instances that are machines by now
    allowed: dict[str, frozenset[Rule]] = field(default_factory=dict)
    given: set[tuple[str, str]] = field(default_factory=set)  # what was there before anything was made

    def __post_init__(self) -> None:
        self.zones = [f"{self.region}{letter}" for letter in "abc"]
        self.images = [
            {"imageId": f"ami-{number:017x}", "ownerId": owner, "name": name, "architecture": _architecture(name)}
            for number, (owner, name) in enumerate(_IMAGES, start=0xA0)
        ]

    # --- what tests ask and do ------------------------------------------------------------------------------------

    def get(self, kind: str, id_: str) -> Data:
        """One thing."""
        return self.things[kind, id_]

    def all(self, kind: str) -> list[Data]:
        """All things of a type."""
        return [data for (found, _), data in self.things.items() if found == kind]

    def left(self) -> list[tuple[str, str]]:
        """What was made and is still there."""
        return sorted(self.things.keys() - self.given)

    def terminate(self, name: str) -> None:
        """Delete an instance by hand, by its name tag."""
        (found,) = (key for key, data in self.things.items() if key[0] == INSTANCE and data["tags"]["Name"] == name)
        self._gone(*found)

    def give_network(self, cidr: str) -> tuple[str, dict[str, str], dict[str, str]]:
        """A network that somebody else made: its id, and subnets and public subnets by zone."""
        vpc = self._put(VPC, "vpc-0aa00aa00aa00aa00", {"cidrBlock": cidr})
        pieces = iter(IPv4Network(cidr).subnets(4))
        made: list[dict[str, str]] = []
        for kind in (1, 2):
            ids = {zone[-1]: f"subnet-0{kind}0{zone[-1] * 14}" for zone in self.zones}
            for zone in self.zones:
                data = {"vpcId": vpc, "cidrBlock": str(next(pieces)), "availabilityZone": zone}
                self._put(SUBNET, ids[zone[-1]], data)
            made.append(ids)
        self.given = set(self.things)
        return vpc, made[0], made[1]

    # --- what providers ask ---------------------------------------------------------------------------------------

    def create(self, kind: str, name: str, inputs: Data) -> tuple[str, dict[str, Any]]:
        """Make it; raises RefusedError."""
        self._called("create", kind, name)
        about = KINDS[kind]
        with self.lock:
            self._check_references(kind, inputs)
            about.check(self, inputs)
            self._check_unique(kind, inputs)
            id_ = about.id_of(inputs) if about.id_of else _new_id(about.prefix.replace("REGION", self.region), name)
            data = {**inputs, **about.made(self, id_, inputs), "id": id_}
            data |= self._addresses(kind, data)
            self.things[kind, id_] = data
        if kind == INSTANCE and self.machines is not None:
            self._boot(id_, data)
        self._guard()
        return id_, dict(data)

    def read(self, kind: str, id_: str) -> dict[str, Any] | None:
        """As it is now; None when it is gone."""
        with self.lock:
            found = self.things.get((kind, id_))
            return None if found is None else dict(found)

    def update(self, kind: str, id_: str, name: str, inputs: Data) -> dict[str, Any]:
        """Change it in place; raises RefusedError."""
        self._called("update", kind, name)
        with self.lock:
            if (kind, id_) not in self.things:
                raise RefusedError(f"{kind.rpartition(':')[2]}.NotFound", f"The ID '{id_}' does not exist")
            self._check_references(kind, inputs)
            self.things[kind, id_] = {**self.things[kind, id_], **inputs}
            return dict(self.things[kind, id_])

    def delete(self, kind: str, id_: str, name: str) -> None:
        """Delete it; one that is not there is gone already. Raises RefusedError while others need it."""
        self._called("delete", kind, name)
        with self.lock:
            if (data := self.things.get((kind, id_))) is None:
                return
            if users := self._users(kind, data):
                raise RefusedError("DependencyViolation", f"resource {id_} has a dependent object: {users[0]}")
            if kind == GATEWAY and (address := self._public_in(data["vpcId"])):
                raise RefusedError("DependencyViolation", f"Network has some mapped public address(es): {address}")
            if kind == INSTANCE and data.get("disableApiTermination") and not data.get("forceDestroy"):
                raise RefusedError("OperationNotPermitted", f"The instance '{id_}' may not be terminated.")
            if kind == BUCKET and data.get("objects") and not data.get("forceDestroy"):
                raise RefusedError("BucketNotEmpty", "The bucket you tried to delete is not empty")
        self._gone(kind, id_)

    def image(self, owners: list[str], filters: Mapping[str, list[str]]) -> Data:
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

    # --- inside ---------------------------------------------------------------------------------------------------

    def _called(self, method: str, kind: str, name: str) -> None:
        with self.lock:
            self.calls.append((method, kind, name))
            fault = next((f for f in self.faults if (f.method, f.name) == (method, name) and f.times > 0), None)
            if fault is None:
                return
            fault.times -= 1
        if fault.stall is None:
            raise RefusedError(fault.code, fault.text)
        fault.stall.wait(timeout=60)

    def _check_references(self, kind: str, inputs: Data) -> None:
        for path, wanted, attribute, value in references(KINDS[kind], inputs):
            if not any(data.get(attribute) == value for data in self.all(wanted)):
                what = wanted.rpartition(":")[2]
                raise RefusedError(f"Invalid{what}ID.NotFound", f"The {what} '{value}' of {path} does not exist")

    def _check_unique(self, kind: str, inputs: Data) -> None:
        keys = KINDS[kind].unique
        mine = [inputs.get(key) for key in keys]
        if keys and any([other.get(key) for key in keys] == mine for other in self.all(kind)):
            what = kind.rpartition(":")[2]
            raise RefusedError(f"{what}.Duplicate", f"there is a {what} with {', '.join(map(str, mine))} already")

    def _users(self, kind: str, data: Data) -> list[str]:
        """What cannot be without it. A group's own rules go with it."""
        found = []
        for (other, id_), theirs in self.things.items():
            for path, wanted, attribute, value in references(KINDS[other], theirs):
                own = kind == GROUP and path == "securityGroupId"
                if wanted == kind and data.get(attribute) == value and not own:
                    found.append(id_)
        return found

    def _public_in(self, vpc: str) -> str:
        """A public address that an instance in a network has, or nothing."""
        inside = {data["id"] for data in self.all(SUBNET) if data["vpcId"] == vpc}
        return next(
            (one["publicIp"] for one in self.all(INSTANCE) if one["subnetId"] in inside and one["publicIp"]), ""
        )

    def _addresses(self, kind: str, data: Data) -> dict[str, Any]:
        """The addresses of what has some."""
        if kind == INSTANCE:
            network = IPv4Network(self.get(SUBNET, data["subnetId"])["cidrBlock"])
            private = self._free(network, "privateIp", _RESERVED)
            public = self._free(_PUBLIC, "publicIp", 1) if data.get("associatePublicIpAddress") else ""
            return {"privateIp": private, "publicIp": public}
        if kind.endswith(":Eip"):
            behind = self.things.get((INSTANCE, str(data.get("instance", ""))))
            real = behind["publicIp"] if behind and self.machines is not None else self._free(_PUBLIC, "publicIp", 1)
            return {"allocationId": data["id"], "publicIp": real}
        return {}

    def _free(self, network: IPv4Network, key: str, first: int) -> str:
        taken = {data.get(key) for data in self.things.values()}
        numbers = range(first, network.num_addresses - 1)
        return next(str(network[number]) for number in numbers if str(network[number]) not in taken)

    def _boot(self, id_: str, data: dict[str, Any]) -> None:
        assert self.machines is not None
        address = self.machines.start(id_, data["userData"])
        with self.lock:
            data |= {"privateIp": address, "publicIp": address if data["publicIp"] else ""}
            self.booted.add(id_)

    def _guard(self) -> None:
        """Tell machines what their security groups let in now, where that has changed.

        Only when something is made: what was let in may stay so, since tests are of what is let in and what never was.
        """
        if self.machines is None:
            return
        with self.lock:
            running = {data["id"]: data for data in self.all(INSTANCE) if data["id"] in self.booted}
            for id_, data in running.items():
                rules = frozenset(self._rules(data["vpcSecurityGroupIds"], running.values()))
                if self.allowed.get(id_) != rules:
                    self.machines.allow(id_, rules)
                    self.allowed[id_] = rules

    def _rules(self, groups: Collection[str], running: Collection[Data]) -> Iterator[Rule]:
        for rule in self.all(INGRESS):
            if rule["securityGroupId"] not in groups:
                continue
            group = rule.get("referencedSecurityGroupId")
            members = {one["privateIp"] for one in running if group in one["vpcSecurityGroupIds"]}
            sources = members if group else {rule["cidrIpv4"]}
            if sources:
                yield Rule(rule["ipProtocol"], rule["fromPort"], rule["toPort"], frozenset(sources))

    def _gone(self, kind: str, id_: str) -> None:
        with self.lock:
            self.booted.discard(id_)
        if kind == INSTANCE and self.machines is not None:
            self.machines.stop(id_)
        with self.lock:
            self.things.pop((kind, id_), None)
            if kind == GROUP:
                rules = [key for key, data in self.things.items() if data.get("securityGroupId") == id_]
                for key in rules:
                    del self.things[key]

    def _put(self, kind: str, id_: str, inputs: Data) -> str:
        self.things[kind, id_] = {**inputs, **KINDS[kind].made(self, id_, inputs), "id": id_}
        return id_


def _architecture(name: str) -> str:
    return "arm64" if "arm64" in name else "x86_64"


def _new_id(prefix: str, name: str) -> str:
    """As AWS makes them: `vpc-0a1b...`, or an ARN that has the name in it."""
    return f"{prefix}{name}/{secrets.token_hex(8)}" if prefix.startswith("arn:") else f"{prefix}0{secrets.token_hex(8)}"

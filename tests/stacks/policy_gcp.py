"""What no stack of ours may ask Google Cloud for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from installer.provision.values import UNKNOWN
from stacks.common import tags

Inputs = Mapping[str, Any]  # with its type under `type`
KEYS: Final = tags.LABELS
_FIREWALL, _NETWORK = "gcp:compute/firewall:Firewall", "gcp:compute/network:Network"
_INSTANCE, _BUCKET = "gcp:compute/instance:Instance", "gcp:storage/bucket:Bucket"
_METADATA: Final = {"block-project-ssh-keys": "TRUE", "enable-oslogin": "FALSE", "serial-port-enable": "FALSE"}
_SHIELDED: Final = ("enableSecureBoot", "enableVtpm", "enableIntegrityMonitoring")
_LONG_LIVED: Final = ("gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey")
_ALL_ACCESS: Final = "https://www.googleapis.com/auth/cloud-platform"
_FOR_ALL: Final = ("allUsers", "allAuthenticatedUsers")
_WIDE_ROLES: Final = ("roles/owner", "roles/editor", "roles/viewer")
_ALL_PORTS: Final = (0, 65535)


def each(one: Inputs) -> Iterator[str]:
    """What is wrong with one thing."""
    for check in (_instances, _networks, _rules, _buckets, _rights):
        yield from check(one)


def together(planned: Sequence[Inputs]) -> Iterator[str]:
    """What is wrong with service accounts: who has one that nothing says what it may do with."""
    roles = {str(one.get("tags")) for one in planned if one["type"] == _INSTANCE and one.get("serviceAccount")}
    if len(roles) > 1:
        yield "machines of several roles have a service account"


def let_in(one: Inputs) -> Iterator[tuple[IPv4Network, int, int]]:
    """(range, first port, last port) of each range that a thing opens ports to."""
    if one["type"] != _FIREWALL or one.get("direction") == "EGRESS":
        return
    for source in one.get("sourceRanges") or ():
        for allowed in one.get("allows") or ():
            for ports in allowed.get("ports") or ["-".join(map(str, _ALL_PORTS))]:
                first, _, last = ports.partition("-")
                yield IPv4Network(source), int(first), int(last or first)


def _instances(one: Inputs) -> Iterator[str]:
    if one["type"] != _INSTANCE:
        return
    metadata, shielded = one.get("metadata") or {}, one.get("shieldedInstanceConfig") or {}
    for key, value in _METADATA.items():
        if metadata.get(key) != value:
            yield f"its metadata do not say {key}={value}"
    for key in _SHIELDED:
        if shielded.get(key) is not True:
            yield f"is not shielded: {key}"
    told = metadata.get("user-data", "")
    if told != UNKNOWN and "169.254.169.254" not in told:  # in a preview it may not be known yet
        yield "its metadata reach pods"
    if _ALL_ACCESS in (one.get("serviceAccount") or {}).get("scopes", ()):
        yield "may do at Google all that its service account may"


def _networks(one: Inputs) -> Iterator[str]:
    if one["type"] == _NETWORK and one.get("autoCreateSubnetworks") is not False:
        yield "has subnets in all regions"


def _rules(one: Inputs) -> Iterator[str]:
    if one["type"] != _FIREWALL:
        return
    if not one.get("targetTags"):
        yield "is for all instances of the network"
    if one.get("direction") != "EGRESS" and any(not allowed.get("ports") for allowed in one.get("allows") or ()):
        yield "lets in all ports"


def _buckets(one: Inputs) -> Iterator[str]:
    if one["type"] != _BUCKET:
        return
    if one.get("publicAccessPrevention") != "enforced":
        yield "the bucket can be made public"
    if one.get("uniformBucketLevelAccess") is not True:
        yield "objects of the bucket can be shared one by one"
    if not (one.get("versioning") or {}).get("enabled"):
        yield "the bucket forgets what is overwritten"


def _rights(one: Inputs) -> Iterator[str]:
    if one["type"] in _LONG_LIVED:
        yield "is a key that lives until somebody remembers it"
    if "role" in one and "member" in one:
        if one["member"] in _FOR_ALL:
            yield "is a right of everybody"
        if str(one["role"]).endswith((".admin", "Admin")) or one["role"] in _WIDE_ROLES:
            yield "allows everything of something"

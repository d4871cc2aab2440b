"""What no stack of ours may ask a cloud for, checked on the inputs of all that a program asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from installer.spec.aws import WIDEST
from stacks.common import tags
from tests.fakes.cloud import sdk

Inputs = Mapping[str, Any]  # with its type under `type`
_INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_BUCKET: Final = "aws:s3/bucket:Bucket"
_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OF_BUCKETS: Final = (_BLOCK, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
_LONG_LIVED: Final = ("aws:iam/accessKey:AccessKey", "aws:iam/user:User", "aws:ec2/keyPair:KeyPair")


def breaches(planned: Sequence[Inputs], *, published: tuple[int, int] = (30000, 32767)) -> list[str]:
    """Everything that is wrong, in words; `published`: the only ports that everybody may be let to."""
    checks: tuple[Callable[[Inputs], Iterator[str]], ...] = (
        lambda one: _open_to_everybody(one, published),
        _unencrypted_disks,
        _metadata_for_everybody,
        _untagged,
        _long_lived_keys,
        _too_much_allowed,
    )
    found = [f"{one['type']} {_name(one)}: {why}" for one in planned for check in checks for why in check(one)]
    return [*found, *_public_buckets(planned)]


def _open_to_everybody(one: Inputs, published: tuple[int, int]) -> Iterator[str]:
    if one["type"] != _INGRESS or "cidrIpv4" not in one:
        return
    first, last = one.get("fromPort", 0), one.get("toPort", 65535)
    inside = published[0] <= first <= last <= published[1]
    if IPv4Network(one["cidrIpv4"]).prefixlen < WIDEST and not inside:
        yield f"ports {first}-{last} are open to {one['cidrIpv4']}"


def _unencrypted_disks(one: Inputs) -> Iterator[str]:
    disks = [one.get("rootBlockDevice"), *(one.get("ebsBlockDevices") or ())]
    if one["type"].endswith(":Instance") and not all(disk and disk.get("encrypted") is True for disk in disks):
        yield "a disk is not encrypted"


def _metadata_for_everybody(one: Inputs) -> Iterator[str]:
    options = one.get("metadataOptions") or {}
    if one["type"].endswith(":Instance") and options.get("httpTokens") != "required":
        yield "its metadata are given without a token"
    if one["type"].endswith(":Instance") and options.get("httpPutResponseHopLimit") != 1:
        yield "its metadata reach pods"


def _untagged(one: Inputs) -> Iterator[str]:
    if sdk.takes(one["type"], "tags"):
        missing = {tags.PLATFORM, tags.REGION, "Name"} - (one.get("tags") or {}).keys()
        if missing:
            yield f"has no tag {', '.join(sorted(missing))}"


def _long_lived_keys(one: Inputs) -> Iterator[str]:
    if one["type"] in _LONG_LIVED:
        yield "is a key that lives until somebody remembers it"


def _too_much_allowed(one: Inputs) -> Iterator[str]:
    text = one.get("policy")
    if not one["type"].startswith("aws:iam/") or not isinstance(text, str) or not text.startswith("{"):
        return
    for statement in json.loads(text)["Statement"]:
        allowed = [statement["Action"], statement["Resource"]]
        if any(
            each == "*" or each.endswith(":*")
            for found in allowed
            for each in ([found] if isinstance(found, str) else found)
        ):
            yield "allows everything of something"


def _public_buckets(planned: Sequence[Inputs]) -> Iterator[str]:
    buckets = sum(one["type"] == _BUCKET for one in planned)
    for kind in _OF_BUCKETS:
        if sum(one["type"] == kind for one in planned) < buckets:
            yield f"a bucket has no {kind}"
    for one in planned:
        if one["type"] == _BLOCK and not all(one.get(key) is True for key in _BLOCKS):
            yield f"{_name(one)}: the bucket can be made public"
        if one["type"] == _BUCKET and (one.get("acl") or one.get("policy")):
            yield f"{_name(one)}: the bucket is shared"


def _name(one: Inputs) -> str:
    return str((one.get("tags") or {}).get("Name", ""))

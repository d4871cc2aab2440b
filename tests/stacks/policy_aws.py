"""What no stack of ours may ask AWS for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

from stacks.common import tags

Inputs = Mapping[str, Any]  # with its type under `type`
KEYS: Final = tags.SLASHED
_INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_BUCKET: Final = "aws:s3/bucket:Bucket"
_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OF_BUCKETS: Final = (_BLOCK, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
_LONG_LIVED: Final = ("aws:iam/accessKey:AccessKey", "aws:iam/user:User", "aws:ec2/keyPair:KeyPair")


def each(one: Inputs) -> Iterator[str]:
    """What is wrong with one thing."""
    for check in (_unencrypted_disks, _metadata_for_everybody, _long_lived_keys, _too_much_allowed):
        yield from check(one)


def together(planned: Sequence[Inputs]) -> Iterator[str]:
    """What is wrong with buckets, of which parts are things of their own."""
    buckets = sum(one["type"] == _BUCKET for one in planned)
    for kind in _OF_BUCKETS:
        if sum(one["type"] == kind for one in planned) < buckets:
            yield f"a bucket has no {kind}"
    for one in planned:
        if one["type"] == _BLOCK and not all(one.get(key) is True for key in _BLOCKS):
            yield "a bucket can be made public"
        if one["type"] == _BUCKET and (one.get("acl") or one.get("policy")):
            yield "a bucket is shared"


def let_in(one: Inputs) -> Iterator[tuple[IPv4Network, int, int]]:
    """(range, first port, last port) of each range that a thing opens ports to."""
    if one["type"] == _INGRESS and "cidrIpv4" in one:
        yield IPv4Network(one["cidrIpv4"]), one.get("fromPort", 0), one.get("toPort", 65535)


def _unencrypted_disks(one: Inputs) -> Iterator[str]:
    disks = [one.get("rootBlockDevice"), *(one.get("ebsBlockDevices") or ())]
    if one["type"].endswith("/volume:Volume") and one.get("encrypted") is not True:
        yield "it is not encrypted"
    if one["type"].endswith(":Instance") and not all(disk and disk.get("encrypted") is True for disk in disks):
        yield "a disk is not encrypted"


def _metadata_for_everybody(one: Inputs) -> Iterator[str]:
    options = one.get("metadataOptions") or {}
    if one["type"].endswith(":Instance") and options.get("httpTokens") != "required":
        yield "its metadata are given without a token"
    if one["type"].endswith(":Instance") and options.get("httpPutResponseHopLimit") != 1:
        yield "its metadata reach pods"


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

"""The checks of policy find what they are for: each on a planned resource that breaks it, and on one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stacks.policy import breaches

_TAGS = {"moorage.dev/platform": "harbor", "moorage.dev/region": "home", "Name": "x"}
_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_INSTANCE = {
    "type": "aws:ec2/instance:Instance",
    "rootBlockDevice": {"encrypted": True},
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
    "tags": _TAGS,
}
_BLOCKED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
_BUCKET = [
    {"type": "aws:s3/bucket:Bucket", "tags": _TAGS},
    {"type": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", **_BLOCKED},
    {"type": "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"},
]


def _rule(cidr: str, first: int, last: int) -> dict[str, Any]:
    return {"type": _RULE, "cidrIpv4": cidr, "fromPort": first, "toPort": last, "tags": _TAGS}


RIGHT = [_INSTANCE, *_BUCKET, _rule("198.51.100.0/24", 22, 22), _rule("0.0.0.0/0", 30000, 32767)]
WRONG: dict[str, list[dict[str, Any]]] = {
    "open to": [_rule("0.0.0.0/0", 22, 22)],
    "open to 0.0.0.0/1": [_rule("0.0.0.0/1", 29999, 32767)],
    "not encrypted": [{**_INSTANCE, "rootBlockDevice": {"volumeSize": 50}}],
    "a disk": [{**_INSTANCE, "ebsBlockDevices": [{"encrypted": False}]}],
    "without a token": [{**_INSTANCE, "metadataOptions": {"httpPutResponseHopLimit": 1}}],
    "reach pods": [{**_INSTANCE, "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2}}],
    "no tag": [{**_INSTANCE, "tags": {"Name": "x"}}],
    "lives until": [{"type": "aws:iam/accessKey:AccessKey", "user": "x"}],
    "everything": [
        {"type": "aws:iam/rolePolicy:RolePolicy", "policy": '{"Statement": [{"Action": "s3:*", "Resource": "x"}]}'}
    ],
    "has no aws:s3/bucketPublic": [_BUCKET[0], _BUCKET[2]],
    "has no aws:s3/bucketServer": _BUCKET[:2],
    "can be made public": [_BUCKET[0], {**_BUCKET[1], "blockPublicPolicy": False}, _BUCKET[2]],
    "is shared": [{**_BUCKET[0], "acl": "public-read"}, *_BUCKET[1:]],
}


def test_what_is_right_breaks_nothing() -> None:
    """Also where ports that are published are open to everybody."""
    assert breaches(RIGHT) == []


@pytest.mark.parametrize(("why", "planned"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_told(why: str, planned: list[dict[str, Any]]) -> None:
    """Once, with the reason."""
    (told,) = breaches(planned)
    assert why in told

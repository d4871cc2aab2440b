"""A bucket for backups on AWS, and the right to use it, which managers alone get and no long-lived key stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_aws.iam.instance_profile import InstanceProfile
from pulumi_aws.iam.role import Role
from pulumi_aws.iam.role_policy import RolePolicy
from pulumi_aws.s3.bucket import Bucket
from pulumi_aws.s3.bucket_public_access_block import BucketPublicAccessBlock
from pulumi_aws.s3.bucket_server_side_encryption_configuration import BucketServerSideEncryptionConfiguration
from pulumi_aws.s3.bucket_versioning import BucketVersioning

from stacks.common.tags import Tags

_ACTIONS: Final = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """`keep`: the bucket outlives the stack."""

    keep: bool
    tags: Tags


class Backups(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`bucket`: its name. `profile`: what an instance has to be given to use it."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:aws:Backups", name, None, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.tags.of(name)
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep)
        # AWS deletes no bucket that has something in it, and `force_destroy` would empty it: it is not set.
        bucket = Bucket(name, bucket_prefix=f"{args.tags.platform}-", tags=tags, opts=kept)
        BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {"apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms"}, "bucket_key_enabled": True}
            ],
            opts=kept,
        )
        BucketVersioning(name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=kept)
        role = Role(
            name,
            description=f"Managers of {args.tags.platform}: their backups",
            assume_role_policy=json.dumps(_policy(Action="sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})),
            tags=tags,
            opts=child,
        )
        RolePolicy(name, role=role.id, policy=bucket.arn.apply(_use_of), opts=child)
        self.bucket: pulumi.Output[str] = bucket.id
        self.profile: pulumi.Output[str] = InstanceProfile(name, role=role.name, tags=tags, opts=child).name
        self.register_outputs({"bucket": self.bucket})


def _use_of(arn: str) -> str:
    in_it = {"Effect": "Allow", "Action": _ACTIONS, "Resource": f"{arn}/*"}
    return json.dumps(_policy(in_it, Action=["s3:ListBucket", "s3:GetBucketLocation"], Resource=arn))


def _policy(*more: dict[str, Any], **statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}, *more]}

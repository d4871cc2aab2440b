"""Who managers are to Google Cloud, and a bucket that they alone can use; no long-lived key stands for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_gcp.serviceaccount.account import Account
from pulumi_gcp.storage.bucket import Bucket
from pulumi_gcp.storage.bucket_iam_member import BucketIAMMember

from stacks.common.tags import Tags
from stacks.gcp.names import about, named

_USES: Final = "roles/storage.objectUser"  # reads, writes, deletes and lists objects; changes no rights


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """`public_key`: the platform's own, which no other platform has."""

    public_key: str
    tags: Tags


class Identity(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """The service account of managers, `email`; it has no right but those that it is given here.

    Managers have it from the start: Google gives one to a running instance only if it is stopped for that.
    """

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Identity", name, None, opts)
        text = f"{args.tags.platform} {args.tags.region} {args.public_key}"
        account = Account(
            name,
            account_id=f"moorage-{hashlib.sha256(text.encode()).hexdigest()[:12]}",  # 30 letters are allowed
            create_ignore_already_exists=True,  # it is this platform's: a run was killed while it made it
            display_name=f"Managers of {args.tags.platform}",
            description=about(args.tags, "managers"),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["accountId"]),
        )
        self.email: pulumi.Output[str] = account.email
        self.register_outputs({"email": self.email})


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    """`keep`: the bucket outlives the stack. `user`: the email of the service account that uses it."""

    region: str
    keep: bool
    user: pulumi.Input[str]
    tags: Tags


class Backups(pulumi.ComponentResource):  # type: ignore[misc]  # the SDK has no types
    """`bucket`: its name."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("moorage:gcp:Backups", name, None, opts)
        # Google deletes no bucket that has something in it, and `force_destroy` would empty it: it is not set.
        bucket = Bucket(
            named(args.tags, name),
            location=args.region.upper(),
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            labels=args.tags.of(name),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=args.keep),
        )
        BucketIAMMember(
            name,
            bucket=bucket.name,
            role=_USES,
            member=pulumi.Output.concat("serviceAccount:", args.user),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.bucket: pulumi.Output[str] = bucket.name
        self.register_outputs({"bucket": self.bucket})

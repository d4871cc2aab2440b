"""A bucket of an S3-compatible store as the place of a state; its URL is the one that the pulumi CLI takes.

https://www.pulumi.com/docs/iac/concepts/state-and-backends/#aws-s3 and https://gocloud.dev/howto/blob/#s3 for the URL,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html for conditions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import ClientError

from installer.core.errors import InfrastructureError
from installer.provision.embedded import aws
from installer.provision.embedded.refusal import needs_cli
from installer.provision.embedded.store import Found, MovedOnError

_ABSENT: Final = {"NoSuchKey", "404"}
_MOVED: Final = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_UNKNOWN_CONDITION: Final = {"NotImplemented", "501"}
_PARAMETERS: Final = {
    "region",
    "endpoint",
    "profile",
    "s3ForcePathStyle",
    "use_path_style",
    "disableSSL",
    "disable_https",
    "awssdk",
    "ssetype",
    "kmskeyid",
}
_DIGITS: Final = 8  # of a line's number: keys sort as lines were added


@cache
def bucket(url: str) -> Bucket:
    """The bucket of `s3://bucket/folder?region=...&endpoint=...`; raises InfrastructureError for another form."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(set(options) - _PARAMETERS):
        raise needs_cli(
            f"the state's URL has `{unknown[0]}`, which the embedded engine does not know",
            otherwise=f"; or leave it out: known are {', '.join(sorted(_PARAMETERS))}",
        )
    if not parts.netloc:
        raise InfrastructureError("the state's URL names no bucket", hint="s3://BUCKET/FOLDER?region=REGION")
    return Bucket(parts.netloc, parts.path.strip("/"), options)


class Bucket:
    """A bucket, or a folder in it. Conditions are asked for until the store says that it does not know them."""

    def __init__(self, name: str, folder: str, options: Mapping[str, str]) -> None:
        self._name = name
        self._folder = f"{folder}/" if folder else ""
        path_style = options.get("s3ForcePathStyle") in aws.TRUE or options.get("use_path_style") in aws.TRUE
        self._client = aws.client("s3", options, path_style=path_style)
        self._encryption = {
            **({"ServerSideEncryption": options["ssetype"]} if "ssetype" in options else {}),
            **({"SSEKMSKeyId": options["kmskeyid"]} if "kmskeyid" in options else {}),
        }
        self._conditions = True
        self._numbers: dict[str, Iterator[int]] = {}

    @property
    def directory(self) -> None:
        return None

    def where(self, key: str) -> str:
        return f"s3://{self._name}/{self._folder}{key}"

    def read(self, key: str) -> Found | None:
        with self._told(f"read {self.where(key)}"):
            try:
                found = self._client.get_object(Bucket=self._name, Key=self._folder + key)
                return Found(found["Body"].read(), found["ETag"])
            except ClientError as exc:
                if aws.code(exc) in _ABSENT:
                    return None
                raise

    def write(self, key: str, content: bytes, *, over: Found | None = None, new: bool = False) -> Found:
        condition = {"IfNoneMatch": "*"} if new else {"IfMatch": over.version} if over else {}
        with self._told(f"write {self.where(key)}"):
            try:
                return self._put(key, content, condition if self._conditions else {})
            except ClientError as exc:
                if condition and aws.code(exc) in _UNKNOWN_CONDITION:
                    self._conditions = False
                    return self._put(key, content, {})
                if not condition or aws.code(exc) not in _MOVED:
                    raise
        # A request whose answer was lost is repeated, and then meets what it wrote itself.
        there = self.read(key)
        if there is not None and there.content == content:
            return there
        raise MovedOnError(
            f"{self.where(key)} was written by another run meanwhile",
            hint="repeat the command: it looks at what is there and goes on",
        )

    def copy(self, key: str, to: str) -> None:
        source = {"Bucket": self._name, "Key": self._folder + key}
        with self._told(f"copy {self.where(key)}"):
            self._client.copy_object(Bucket=self._name, Key=self._folder + to, CopySource=source, **self._encryption)

    def remove(self, key: str) -> None:
        with self._told(f"remove {self.where(key)}"):
            self._client.delete_object(Bucket=self._name, Key=self._folder + key)

    def names(self, folder: str) -> Sequence[str]:
        with self._told(f"list {self.where(folder)}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._folder + folder
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(key.removeprefix(self._folder) for key in keys)

    def append(self, key: str, line: bytes) -> None:
        """An object a line: nothing can be added to one, and writing all of them anew each time would be slow."""
        if key not in self._numbers:
            self._numbers[key] = itertools.count(len(self.names(f"{key}/")))
        self.write(f"{key}/{next(self._numbers[key]):0{_DIGITS}d}", line, new=True)

    def lines(self, key: str) -> Sequence[bytes] | None:
        found = [self.read(name) for name in self.names(f"{key}/")]
        return [one.content for one in found if one is not None] or None

    def clear(self, key: str) -> None:
        self._numbers.pop(key, None)
        for name in reversed(self.names(f"{key}/")):  # the first says what they belong to: it goes last
            self.remove(name)

    def _put(self, key: str, content: bytes, condition: Mapping[str, str]) -> Found:
        done = self._client.put_object(
            Bucket=self._name, Key=self._folder + key, Body=content, **condition, **self._encryption
        )
        return Found(content, done["ETag"])

    def _told(self, doing: str) -> AbstractContextManager[None]:
        hints = {
            "NoSuchBucket": f"make the bucket {self._name}, with versions kept and no public access",
            "AccessDenied": "who runs this must be able to list the bucket, and to read, write and delete in it",
        }
        return aws.told(doing, hints, "see that the URL of --state and the credentials are those of this bucket")

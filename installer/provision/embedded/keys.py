"""Whose key encrypts a stack's secrets: one from a passphrase, or one of its own that AWS KMS has wrapped.

The second is Pulumi's `cloud` secrets provider: a random key of 32 bytes, wrapped, lies in the state.
https://github.com/pulumi/pulumi/blob/master/pkg/secrets/cloud/manager.go and
https://gocloud.dev/howto/secrets/#aws for the URL, awskms://ID?region=REGION
"""

from __future__ import annotations

import base64
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from installer.core.secret import Secret
from installer.provision.embedded.passphrase import KEY_BYTES, Crypter
from installer.provision.embedded.refusal import needs_cli

PASSPHRASE: Final = "passphrase"  # noqa: S105 - Pulumi's name of the provider
_CLOUD: Final = "cloud"
_AWS: Final = "awskms://"
_HINTS: Final = {
    "AccessDeniedException": "who runs this must be allowed kms:Encrypt and kms:Decrypt with the key",
    "NotFoundException": "the URL names no key of this region: awskms://alias/NAME?region=REGION",
}

Provider = Mapping[str, Any]  # {"type": ..., "state": {...}}, as a deployment has it


def knows(url: str) -> bool:
    """Whether secrets of this provider are read without the pulumi CLI."""
    return url in ("", PASSPHRASE) or (url.startswith(_AWS) and importlib.util.find_spec("botocore") is not None)


def new(url: str, passphrase: Secret) -> Crypter:
    """A crypter for a new stack: by `awskms://...`, or by the passphrase."""
    if url in ("", PASSPHRASE):
        return Crypter.new(passphrase)
    key = os.urandom(KEY_BYTES)
    wrapped = base64.b64encode(_wrapped(_known(url), key)).decode()
    return Crypter(key, {"type": _CLOUD, "state": {"url": url, "encryptedkey": wrapped}})


def load(provider: Provider, passphrase: Secret) -> Crypter:
    """The crypter of an existing stack; raises InfrastructureError for a wrong passphrase, or a key that is refused."""
    state = provider.get("state") or {}
    if provider.get("type") != _CLOUD:
        return Crypter.load(str(state.get("salt", "")), passphrase)
    return Crypter(_unwrapped(_known(str(state["url"])), str(state["encryptedkey"])), provider)


def url_of(provider: Provider) -> str:
    """What was given when the stack was made; empty for a passphrase."""
    return str((provider.get("state") or {}).get("url", ""))


def _known(url: str) -> str:
    if not knows(url):
        raise needs_cli(
            f"the embedded engine cannot use the secrets provider {url.partition('?')[0]}",
            otherwise="; or use a passphrase, or awskms:// with pip install 'moorage[s3]'",
        )
    return url


def _wrapped(url: str, key: bytes) -> bytes:
    from installer.provision.embedded import aws  # an extra

    with aws.told(f"encrypt with {url}", _HINTS, "see that the key is enabled"):
        return bytes(_client(url).encrypt(KeyId=_key_id(url), Plaintext=key)["CiphertextBlob"])


@cache
def _unwrapped(url: str, wrapped: str) -> bytes:
    from installer.provision.embedded import aws  # an extra

    with aws.told(f"decrypt with {url}", _HINTS, "see that the key is enabled"):
        return bytes(_client(url).decrypt(KeyId=_key_id(url), CiphertextBlob=base64.b64decode(wrapped))["Plaintext"])


@cache
def _client(url: str) -> Any:
    from installer.provision.embedded import aws  # an extra

    return aws.client("kms", dict(parse_qsl(urlsplit(url).query)))


def _key_id(url: str) -> str:
    """An id, `alias/NAME`, or an ARN after three slashes."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".strip("/")

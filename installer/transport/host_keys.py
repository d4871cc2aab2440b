"""Host keys: pinned before the first login, compared at every one."""

from __future__ import annotations

import base64
import hashlib

import paramiko

from installer.transport.errors import HostKeyChangedError, HostKeyUnknownError
from installer.transport.target import Target


def fingerprint(key: paramiko.PKey) -> str:
    """`SHA256:...` as OpenSSH shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def pinned_text(key: paramiko.PKey) -> str:
    """`ssh-ed25519 AAAA...`: the form in which a key is pinned."""
    return f"{key.get_name()} {key.get_base64()}"


def key_type(pinned: str) -> str | None:
    """The algorithm to ask the server for, where the pin says it."""
    return None if pinned.startswith("SHA256:") else pinned.split(maxsplit=1)[0]


def verify(target: Target, key: paramiko.PKey) -> None:
    """Raise unless `key` is the one pinned for `target`."""
    seen = pinned_text(key)
    if target.host_key is None:
        raise HostKeyUnknownError(
            f"its host key is not known yet; it shows {key.get_name()} {fingerprint(key)}",
            host=target.name,
            hint=f"compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host, "
            f"then add to the specification: hostKey: {fingerprint(key)}",
        )
    if target.host_key in (fingerprint(key), seen) or target.host_key.split()[:2] == seen.split():
        return
    raise HostKeyChangedError(
        f"its host key is {fingerprint(key)}, not the pinned one",
        host=target.name,
        cause="the machine was installed anew, or somebody is in between",
        hint="if it was installed anew, replace its hostKey in the specification; if not, do not connect",
    )

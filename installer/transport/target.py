"""Whom to reach over SSH, and with what."""

from __future__ import annotations

from dataclasses import dataclass, field

from installer.core.secret import Secret
from installer.spec.contract import BastionOutput
from installer.transport.proxy import Proxy


@dataclass(frozen=True, kw_only=True)
class Target:
    """One host. `host_key` is pinned: `ssh-ed25519 AAAA...` or `SHA256:...`; None is only for `scan_host_key`."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    host_key: str | None
    key: Secret | None = field(default=None, repr=False)  # private key, OpenSSH or PEM; None: the SSH agent
    sudo_password: Secret | None = None
    bastion: Target | None = None
    proxy: Proxy | None = None  # that this machine reaches it through, where there is no bastion before it

    @property
    def sudo(self) -> bool:
        """Whether commands need sudo to act as root."""
        return self.user != "root"

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


def through(bastion: BastionOutput | None, *, of: str, key: Secret | None, proxy: Proxy | None) -> Target | None:
    """The host that the host `of` is reached through; those before it, and the proxy before them, are behind it."""
    before: Target | None = None
    for hop in (*bastion.through, bastion) if bastion else ():
        before = Target(
            name=f"bastion of {of}" if hop is bastion else f"bastion {hop.address} of {of}",
            address=hop.address,
            port=hop.port,
            user=hop.user,
            host_key=hop.host_key or None,
            key=key,
            bastion=before,
            proxy=None if before else proxy,
        )
    return before

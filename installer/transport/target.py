"""Whom to reach over SSH, and with what."""

from __future__ import annotations

from dataclasses import dataclass, field

from installer.core.secret import Secret


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

    @property
    def sudo(self) -> bool:
        """Whether commands need sudo to act as root."""
        return self.user != "root"

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

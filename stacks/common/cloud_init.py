"""What a new machine is told at its first boot: its SSH host key, and who may log in. https://docs.cloud-init.io"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi

from stacks.common import volumes
from stacks.common.resources import HostKey

HEAD: Final = "#cloud-config\n"
# Many hosts are reached through the bastion at once, and sshd drops logins from the eleventh on by default. Some images
# forbid root to log in at all.
_SSHD: Final = "MaxStartups 200\nMaxSessions 200\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"

# Small images lack it, and nodes need it. Before SSH answers, so that preflight finds it; without a way out it gives up
# soon, and preflight says what is missing.
_TOOLS: Final = "command -v nft || timeout 120 sh -c 'apt-get -q update && apt-get -qy install nftables' || true"


def user_data(
    *,
    name: str,
    key: HostKey,
    public_keys: Sequence[str],
    each_boot: Sequence[str] = (),
    disks: Mapping[str, pulumi.Input[Sequence[str]]] | None = None,
) -> pulumi.Output[str]:
    """The text, a secret: it has the host's private key. Who has one of `public_keys` may log in, as root.

    `each_boot`: commands of a shell, run at each boot before there is a network for others. `disks`: what each may be
    called there, by where it is to be mounted.
    """

    def text(known: list[Any]) -> str:
        private, public, *names = known
        mounts = [volumes.mounted(mount, found) for mount, found in zip(disks or (), names, strict=True)]
        config: dict[str, Any] = {
            "hostname": name,
            "users": [],  # no account but root's
            "disable_root": False,
            "ssh_pwauth": False,
            "bootcmd": [["sh", "-c", command] for command in (_TOOLS, *each_boot, *mounts)],
            "ssh_authorized_keys": list(public_keys),
            "ssh_deletekeys": True,
            "ssh_keys": {"ed25519_private": private, "ed25519_public": f"{public} {name}"},
            "write_files": [{"path": "/etc/ssh/sshd_config.d/10-moorage.conf", "content": _SSHD}],
        }
        return HEAD + json.dumps(config, sort_keys=True)  # JSON is YAML

    return pulumi.Output.secret(pulumi.Output.all(key.privateKey, key.publicKey, *(disks or {}).values()).apply(text))

"""The root file system of local hosts: a minimal Debian with systemd and sshd, made once and shared by all of them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path

from installer.provision.local import shell

_SUITE = "trixie"
_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "iptables",
    "nftables",
    "conntrack",
    "kmod",
    "procps",
    "socat",
    "curl",
    "ca-certificates",
    "e2fsprogs",
    "util-linux",
    "mount",
    "ethtool",
    "iputils-ping",
]
# Hosts have no way out, so a route tells them that addresses of Services are on the link; kube-proxy then acts on them.
_ROUTES_UNIT = """[Unit]
Description=Routes of a local host
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'while read -r route; do ip route replace "$route" dev eth0; done </etc/local-routes'
[Install]
WantedBy=multi-user.target
"""
_SSHD = "PermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 200\nMaxSessions 200\n"
_MASKED = (
    "systemd-udevd systemd-udev-trigger systemd-modules-load systemd-logind systemd-resolved getty.target console-getty"
)
_HOOKS = (
    'printf %s "$ROUTES_UNIT" >"$1/etc/systemd/system/local-routes.service"',
    'printf %s "$SSHD" >"$1/etc/ssh/sshd_config.d/moorage.conf"',
    'chroot "$1" systemctl enable local-routes.service ssh.service',
    f'chroot "$1" systemctl mask {_MASKED}',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id"; : >"$1/etc/machine-id"; touch "$1/etc/local-routes"',
    'mkdir -p "$1/root/.ssh"; chmod 700 "$1/root/.ssh"; touch "$1/root/.ssh/authorized_keys"',
    'touch "$1/etc/ssh/ssh_host_ed25519_key"; chmod 600 "$1/etc/ssh/ssh_host_ed25519_key"',
    'mkdir -p "$1"/var/lib/containerd "$1"/var/lib/kubelet "$1"/var/lib/etcd "$1"/var/lib/moorage "$1"/opt/moorage',
)


def ensure(cache: Path) -> Path:
    """The directory of the root file system, made when it is missing: about 40 s and 210 MB, once."""
    recipe = json.dumps([_SUITE, _PACKAGES, _ROUTES_UNIT, _SSHD, _HOOKS])
    target = cache / "rootfs" / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process: whoever waits then makes it anew
        if not target.is_dir():
            _make(target)
    return target


def _make(target: Path) -> None:
    part = target.with_name(target.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    os.environ["ROUTES_UNIT"], os.environ["SSHD"] = _ROUTES_UNIT, _SSHD
    hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
    include = f"--include={','.join(_PACKAGES)}"
    shell.run(["mmdebstrap", "--quiet", "--variant=minbase", include, *hooks, _SUITE, str(part)], timeout_s=1200)
    part.rename(target)

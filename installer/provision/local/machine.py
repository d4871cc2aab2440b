"""One local host: a privileged podman container that runs systemd and sshd and is a machine to everything above it."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from installer.core import clock
from installer.provision.local import shell
from installer.spec import quantity

_SSH_TIMEOUT_S = 30
# Directories that must be on a real file system: overlay on overlay is refused, etcd wants fsync to mean something.
_VOLUMES = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
    "moorage": "/var/lib/moorage",
    "opt": "/opt/moorage",
    "log": "/var/log",
}
_KEYS, _ROUTES = "authorized_keys", "routes"
_MADE = "made"  # written once the host was whole; holds its address
_SHARED = "kubelet"  # mounts that the kubelet makes must be seen by containerd


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a local host is made of."""

    container: str
    hostname: str
    network: str
    address: str
    folder: Path  # everything it keeps
    rootfs: Path
    routes: Sequence[str]
    public_key: str
    host_key: str  # private, OpenSSH
    cpu: str | None = None
    memory: str | None = None


def create(machine: Machine) -> None:
    """Make and boot the host and wait until its SSH server answers; what an earlier run left half-made goes first."""
    delete(machine.container, machine.folder)
    for name in _VOLUMES:
        (machine.folder / name).mkdir(parents=True)
    _share(machine.folder)
    _write(machine.folder / _KEYS, _lines([machine.public_key]))
    _write(machine.folder / "host_key", machine.host_key)
    _write(machine.folder / _ROUTES, _lines(machine.routes))
    shell.run(_command(machine))
    _await_ssh(machine.container, machine.address)
    _write(machine.folder / _MADE, machine.address)


def restart(container: str, folder: Path, *, within: IPv4Network, routes: Sequence[str], public_key: str) -> str | None:
    """Boot a host that was once whole and is down, data and all; returns its address, None if there is no such host."""
    if not (folder / _MADE).exists() or shell.run(["podman", "container", "exists", container], check=False).returncode:
        return None
    address = (folder / _MADE).read_text()
    made_for = ((folder / _KEYS).read_text(), (folder / _ROUTES).read_text(), ip_address(address) in within)
    if made_for != (_lines([public_key]), _lines(routes), True):
        return None
    if not running(container):
        _share(folder)
        shell.run(["podman", "start", container])
        _await_ssh(container, address)
    return address


def limit(container: str, *, cpu: str | None, memory: str | None) -> None:
    """Change what a running host may use; None: all of this machine."""
    shell.run(["podman", "update", *_limits(cpu, memory), container])


def running(container: str) -> bool:
    """Whether the host runs."""
    done = shell.run(["podman", "container", "inspect", container], check=False)
    return done.returncode == 0 and bool(json.loads(done.stdout)[0]["State"]["Running"])


def delete(container: str, folder: Path) -> None:
    """Remove the host, its mounts and its files; nothing happens when it is gone."""
    shell.run(["podman", "rm", "--force", "--ignore", "--time=0", container])
    for mount in _mounts_below(folder):
        shell.run(["umount", "--lazy", mount])
    if folder.exists():
        shutil.rmtree(folder)


def _share(folder: Path) -> None:
    shared = str((folder / _SHARED).resolve())
    if shared not in _mounts_below(folder):
        shell.run(["mount", "--bind", shared, shared])
        shell.run(["mount", "--make-rshared", shared])


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _command(machine: Machine) -> list[str]:
    """The options that make a container a machine; docs/explanation/local-hosts.md says why each of them is there."""
    folder = machine.folder
    volumes = {folder / name: path for name, path in _VOLUMES.items()}
    options = [
        "--detach",
        f"--name={machine.container}",
        f"--hostname={machine.hostname}",
        f"--network={machine.network}",
        f"--ip={machine.address}",
        "--privileged",
        "--cgroupns=private",
        "--systemd=false",
        "--stop-signal=SIGRTMIN+3",
        "--pids-limit=-1",
        "--env=container=podman",
        "--tmpfs=/run",
        "--tmpfs=/run/lock",
        "--tmpfs=/tmp",
        "--ulimit=nofile=20000:20000",
        "--ulimit=nproc=32768:32768",
        *(
            f"--volume={source}:{path}{':rshared' if source.name == _SHARED else ''}"
            for source, path in volumes.items()
        ),
        f"--volume={folder / _KEYS}:/root/.ssh/authorized_keys:ro",
        f"--volume={folder / 'host_key'}:/etc/ssh/ssh_host_ed25519_key:ro",
        f"--volume={folder / _ROUTES}:/etc/local-routes:ro",
    ]
    if machine.cpu or machine.memory:
        options += _limits(machine.cpu, machine.memory)
    return ["podman", "--runtime=runc", "run", *options, "--rootfs", f"{machine.rootfs}:O", "/sbin/init"]


def _limits(cpu: str | None, memory: str | None) -> list[str]:
    """Kubernetes' quantities as podman counts: cores and bytes, with as much swap again, as its own default is.

    `podman update` (4.3) cannot take a limit off: none is as much as this machine has.
    """
    cores = quantity.cpu_millis(cpu) / 1000 if cpu else os.cpu_count() or 1
    size = quantity.memory_bytes(memory) if memory else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [f"--cpus={cores:g}", f"--memory={size}", f"--memory-swap={2 * size}"]


def _await_ssh(container: str, address: str) -> None:
    def silent() -> str | None:
        try:
            with socket.create_connection((address, 22), timeout=1) as stream:
                stream.settimeout(2)
                return None if stream.recv(4) == b"SSH-" else "it does not greet as an SSH server does"
        except OSError as exc:
            return str(exc)

    clock.wait_until(
        silent,
        what=f"the SSH server of {container} answers",
        timeout_s=_SSH_TIMEOUT_S,
        clock=clock.SystemClock(),
        every_s=0.1,
        hint=f"`podman logs {container}`",
    )


def _mounts_below(folder: Path) -> Iterator[str]:
    """Mount points at or below `folder`, innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    prefix = str(folder.resolve())  # as the kernel names them, whatever links lead there
    yield from sorted((p for p in points if p == prefix or p.startswith(prefix + "/")), key=len, reverse=True)

"""Facts of a good host, to be spoilt one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from installer.hostops.facts import Disk, HostFacts, Manifest
from installer.hostops.preflight.registry import Machine

GIB = 2**30


def facts(**changed: Any) -> HostFacts:
    """A host on which nothing was installed yet and every check passes."""
    good = HostFacts(
        clock_offset_s=0.0,
        round_trip_s=0.01,
        os_id="debian",
        os_version="13",
        os_name="Debian GNU/Linux 13 (trixie)",
        kernel="6.12.48+deb13-amd64",
        arch="amd64",
        hostname="one",
        machine_id="1" * 32,
        product_uuid="",
        uid=0,
        cpus=2,
        memory=4 * GIB,
        memory_available=3 * GIB,
        swap=0,
        cgroup_version=2,
        cgroup_controllers=frozenset({"cpu", "cpuset", "memory", "pids", "io"}),
        container="none",
        init="systemd",
        systemd=257,
        filesystems=frozenset({"overlay", "ext4"}),
        modules=frozenset(),
        sysctls={"net.ipv4.ip_forward": "1", "fs.inotify.max_user_instances": "8192"},
        tools=frozenset({"bash", "nft", "ip", "mount", "umount", "tar", "sha256sum", "systemctl", "sysctl"}),
        addresses=(("lo", "127.0.0.1/8"), ("eth0", "192.0.2.1/24")),
        wireguard=False,
        mtus={"lo": 65536, "eth0": 1500},
        default_route="eth0",
        ports=frozenset({22}),
        listeners={22: "sshd"},
        leftovers=(),
        leftover_units=(),
        etcd_data=False,
        disks={
            "/": Disk(100 * GIB, 50 * GIB),
            "/var/lib": Disk(100 * GIB, 50 * GIB),
            "/opt": Disk(100 * GIB, 50 * GIB),
        },
        releases={},
        manifest=Manifest(),
        files={},
        links={},
        directories={},
        certificates={},
        units={},
    )
    return replace(good, **changed)


def machine(**changed: Any) -> Machine:
    """A manager host called one, with these facts changed."""
    return Machine(name="one", role="manager", address="192.0.2.1", facts=facts(**changed))


def other(**changed: Any) -> Machine:
    """A worker called two, different in all that must be."""
    own = {"hostname": "two", "machine_id": "2" * 32, "addresses": (("eth0", "192.0.2.2/24"),)}
    return Machine(name="two", role="worker", address="192.0.2.2", facts=facts(**{**own, **changed}))

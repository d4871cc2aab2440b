"""Is the operating system one that Kubernetes runs on?"""

from __future__ import annotations

from collections.abc import Iterable

from installer.core.version import Version
from installer.hostops.preflight.registry import Finding, Machine, Severity, check, known

_FAMILIES = frozenset(
    {"debian", "ubuntu", "rhel", "centos", "rocky", "almalinux", "fedora", "sles", "opensuse-leap", "flatcar"}
)
# kube-proxy's nftables mode needs 5.13: https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-nftables
_KERNEL = Version(5, 13)
_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
_INOTIFY_INSTANCES = 1024  # each node pod takes about 20
_TOOLS = frozenset({"bash", "nft", "ip", "mount", "umount", "tar", "sha256sum", "systemctl", "sysctl"})


@check("os", group="hosts", severity=Severity.WARNING)
def os(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """A distribution that is known to work."""
    for machine, facts in known(machines):
        if facts.os_id not in _FAMILIES:
            yield Finding(machine.name, facts.os_name, "a distribution that Moorage is tested on")


@check("arch", group="hosts", ignorable=False)
def arch(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """An architecture that there are bundles for."""
    for machine, facts in known(machines):
        if facts.arch not in ("amd64", "arm64"):
            yield Finding(machine.name, facts.arch, "amd64 or arm64")


@check("systemd", group="hosts", ignorable=False)
def systemd(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """systemd is process 1."""
    for machine, facts in known(machines):
        if facts.init != "systemd":
            yield Finding(machine.name, f"process 1 is {facts.init or 'unknown'}", "systemd")


@check("kernel", group="hosts")
def kernel(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """A kernel that kube-proxy's nftables mode runs on."""
    for machine, facts in known(machines):
        if Version.parse(".".join(facts.kernel.split("-")[0].split(".")[:3])) < _KERNEL:
            yield Finding(machine.name, facts.kernel, f"{_KERNEL} or newer", "upgrade the kernel and boot it")


@check("cgroups", group="hosts")
def cgroups(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """The cgroup controllers that limit pods."""
    for machine, facts in known(machines):
        if missing := sorted(_CONTROLLERS - facts.cgroup_controllers):
            yield Finding(
                machine.name, f"without {', '.join(missing)}", "cpu, cpuset, memory, pids", "enable them at boot"
            )


@check("cgroup-v1", group="hosts", severity=Severity.WARNING)
def cgroup_v1(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """cgroup v2, which Kubernetes and containerd will soon demand; a container has its machine's."""
    for machine, facts in known(machines):
        if facts.cgroup_version == 1 and not facts.nested:
            yield Finding(machine.name, "cgroup v1", "cgroup v2", "boot with systemd.unified_cgroup_hierarchy=1")


@check("filesystems", group="hosts")
def filesystems(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """overlay, which containers' root file systems are made of; a module that is not loaded yet counts."""
    for machine, facts in known(machines):
        if "overlay" not in facts.filesystems | facts.modules and facts.nested:
            yield Finding(machine.name, "no overlay file system", "overlay", "modprobe overlay")


@check("inotify", group="hosts")
def inotify(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Enough watchers for many kubelets; a container has its machine's limit, a host gets its own from us."""
    for machine, facts in known(machines):
        limit = facts.sysctls.get("fs.inotify.max_user_instances", "")
        if facts.nested and limit.isdigit() and int(limit) < _INOTIFY_INSTANCES:
            repair = f"on its machine: sysctl -w fs.inotify.max_user_instances={_INOTIFY_INSTANCES}"
            yield Finding(machine.name, f"{limit} inotify instances", f"at least {_INOTIFY_INSTANCES}", repair)


@check("tools", group="hosts")
def tools(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """The programs that kubelet, kube-proxy and the installer call."""
    for machine, facts in known(machines):
        if missing := sorted(_TOOLS - facts.tools):
            yield Finding(
                machine.name, f"without {', '.join(missing)}", "these programs on PATH", f"install {' '.join(missing)}"
            )


@check("swap", group="hosts", severity=Severity.WARNING)
def swap(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """No swap, with which memory limits mean little."""
    for machine, facts in known(machines):
        if facts.swap:
            yield Finding(
                machine.name, f"{facts.swap // 2**20} MiB of swap", "none", "swapoff -a, and take it out of /etc/fstab"
            )


@check("leftovers", group="hosts")
def leftovers(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Nothing of another Kubernetes."""
    for machine, facts in known(machines):
        if facts.manifest.units:
            continue  # what is here is ours
        found = [*facts.leftovers, *facts.leftover_units, *(["/var/lib/etcd/member"] if facts.etcd_data else [])]
        if found:
            yield Finding(
                machine.name, ", ".join(found), "a host without another Kubernetes", "remove it, with its own tool"
            )

"""Is the operating system one that Kubernetes runs on?"""

from __future__ import annotations

from collections.abc import Iterable

from installer.core.version import Version
from installer.hostops import distribution
from installer.hostops.distribution import Distribution
from installer.hostops.facts import HostFacts
from installer.hostops.preflight.registry import Finding, Machine, Severity, check, known

# kube-proxy's nftables mode needs 5.13: https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-nftables
_KERNEL = Version(5, 13)
_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
_INOTIFY_INSTANCES = 1024  # each node pod takes about 20
KERNEL_MODULES = frozenset({"overlay", "br_netfilter", "vxlan", "nf_tables"})
TOOLS = frozenset({"bash", "nft", "ip", "mount", "umount", "tar", "sha256sum", "systemctl", "sysctl"})


@check("os", group="hosts")
def os(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """A distribution that is known, or is built from one that is, and not too old."""
    for machine, facts in known(machines):
        found = _distribution(facts)
        if found is None:
            wanted = f"one of {distribution.names()}, or one that says it is like them (ID_LIKE in /etc/os-release)"
            yield Finding(machine.name, facts.os_name, wanted, "`--ignore os` where all else that is checked holds")
        elif found.is_too_old(facts.os_id, facts.os_version):
            wanted = f"{facts.os_id} {found.ids[facts.os_id]} or newer"
            yield Finding(machine.name, facts.os_name, wanted, "upgrade it, or install a newer one")


def _distribution(facts: HostFacts) -> Distribution | None:
    return distribution.find(facts.os_id, facts.os_like)


@check("arch", group="hosts", ignorable=False)
def arch(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """The architecture that the platform's bundle is for."""
    for machine, facts in known(machines):
        if facts.arch != machine.arch:
            wanted = f"{machine.arch}, as spec.arch says: all hosts of a platform are of one"
            yield Finding(machine.name, facts.arch, wanted, "take it out, or mend spec.arch before the first `up`")


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
            found = _distribution(facts)
            repair = found.cgroup2 if found else "boot with systemd.unified_cgroup_hierarchy=1"
            yield Finding(machine.name, "cgroup v1", "cgroup v2", repair)


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
        if missing := sorted(TOOLS - facts.tools):
            found = _distribution(facts)
            repair = (found and found.installs(missing)) or f"install {' '.join(missing)}"
            yield Finding(machine.name, f"without {', '.join(missing)}", "these programs on PATH", repair)


@check("modules", group="hosts")
def modules(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """The kernel has the modules that a host needs, loaded or not; a container has its machine's."""
    for machine, facts in known(machines):
        missing = sorted(KERNEL_MODULES - facts.modules - facts.loadable)
        if missing and not facts.nested:
            found = _distribution(facts)
            seen = f"kernel {facts.kernel} has no {', '.join(missing)}"
            yield Finding(machine.name, seen, "these modules", found.modules if found else "install them")


@check("selinux", group="hosts", severity=Severity.WARNING)
def selinux(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """SELinux does not keep anything from happening: nobody has tried Moorage under its rules."""
    for machine, facts in known(machines):
        if facts.selinux:
            repair = "if something is refused (`ausearch -m avc`): setenforce 0, and SELINUX=permissive in its config"
            yield Finding(machine.name, "SELinux is enforcing", "permissive, or nothing refused", repair)


@check("firewall", group="network")
def firewall(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """No firewall of the distribution's own, which knows nothing of pods, stands between hosts."""
    for machine, facts in known(machines):
        found = _distribution(facts)
        for unit, stop in (found.firewalls if found else {}).items():
            if unit in facts.running:
                wanted = "none, or one that lets hosts' ports (docs/reference/hosts.md) and pods' traffic pass"
                yield Finding(machine.name, f"{unit} filters", wanted, f"{stop}; or set it up, and `--ignore firewall`")


@check("reboots", group="hosts", severity=Severity.WARNING)
def reboots(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Hosts are not booted by a program that knows nothing of etcd's members and nodes."""
    for machine, facts in known(machines):
        found = _distribution(facts)
        for unit, stop in (found.reboots if found else {}).items():
            if unit in facts.running:
                yield Finding(machine.name, f"{unit} boots the host when it likes", "hosts that wait for you", stop)


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

"""Are the hosts large enough?"""

from __future__ import annotations

from collections.abc import Iterable

from installer.hostops.preflight.registry import Finding, Machine, Severity, check, known

_GIB = 2**30
_CPUS = {"manager": 2, "worker": 1, "dedicated": 1}
_MEMORY = {"manager": 1.7, "worker": 1.0, "dedicated": 1.0}  # GiB; kubeadm asks for 1700 MB on a control plane
_DISK_GIB = 10
_DISKS = ("/var/lib", "/opt")


@check("cpu", group="capacity", severity=Severity.WARNING)
def cpu(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Enough cores for the role."""
    for machine, facts in known(machines):
        if facts.cpus < _CPUS[machine.role]:
            yield Finding(machine.name, f"{facts.cpus} CPU", f"{_CPUS[machine.role]} for a {machine.role}")


@check("memory", group="capacity")
def memory(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Enough memory for the role."""
    for machine, facts in known(machines):
        if facts.memory < _MEMORY[machine.role] * _GIB:
            seen = f"{facts.memory / _GIB:.1f} GiB"
            yield Finding(machine.name, seen, f"{_MEMORY[machine.role]} GiB for a {machine.role}", "a larger machine")


@check("disk", group="disk")
def disk(machines: tuple[Machine, ...]) -> Iterable[Finding]:
    """Free space for the bundle, images and data, on a host that has none of them yet."""
    for machine, facts in known(machines):
        wanted = 1 if facts.manifest.units else _DISK_GIB
        for path in _DISKS:
            found = facts.disks.get(path) or facts.disks.get("/")
            if found and found.free < wanted * _GIB:
                free = f"{found.free / _GIB:.1f} GiB free below {path}"
                yield Finding(machine.name, free, f"{wanted} GiB", f"df -h {path}; free some space")

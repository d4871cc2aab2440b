"""Are the clusters and their datastores well before what they stand on changes?"""

from __future__ import annotations

from collections.abc import Iterable

from installer.hostops.preflight import Finding, Severity
from installer.workflows.checks.seen import PLATFORM, PlatformSeen


@PLATFORM.check("clusters-ready", group="clusters")
def ready(seen: PlatformSeen) -> Iterable[Finding]:
    """Every cluster is ready: what is ill before is not made well by a change."""
    for one in seen.clusters:
        if not one.ready:
            told = one.waits_for or one.phase
            yield Finding(f"cluster {one.name}", told, "ready", f"moorage cluster describe {one.name}")


@PLATFORM.check("one-replica", group="clusters", severity=Severity.WARNING)
def one_replica(seen: PlatformSeen) -> Iterable[Finding]:
    """Control planes have two replicas: with one, watches break while it moves."""
    for one in seen.clusters:
        if one.control_plane_wanted == 1:
            repair = f"moorage cluster scale {one.name} --replicas 2"
            yield Finding(f"cluster {one.name}", "one replica of its control plane", "two", repair)


@PLATFORM.check("datastores", group="clusters")
def datastores(seen: PlatformSeen) -> Iterable[Finding]:
    """Every datastore is well."""
    for one in seen.datastores:
        if one.problem:
            repair = f"kubectl describe datastore {one.name}"
            yield Finding(f"datastore {one.name}", one.problem, "all members well", repair)


@PLATFORM.check("volumes", group="clusters", severity=Severity.WARNING)
def volumes(seen: PlatformSeen) -> Iterable[Finding]:
    """No cluster has data on a worker's own disk: its nodes there stay, and pause with their host."""
    workers = {machine.name for machine in seen.machines if machine.role == "worker"}
    for host, names in sorted(seen.volumes.items()):
        if host in workers:
            told = f"data of {', '.join(names)}"
            yield Finding(host, told, "their nodes can move", "none: their nodes stay while the host is changed")

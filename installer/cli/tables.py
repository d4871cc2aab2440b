"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from installer.cli.output import table

if TYPE_CHECKING:  # a table of clusters does not need what makes hosts
    from installer.bundle.release import Release
    from installer.hostops.preflight import Report, Result
    from installer.workflows.certificates import CertificateInfo
    from installer.workflows.cluster_info import ClusterInfo
    from installer.workflows.density import Amount, Density
    from installer.workflows.hosts import HostInfo
    from installer.workflows.status import PlatformStatus


def releases(found: Sequence[Release], built: Mapping[str, Sequence[str]]) -> str:
    """Releases with their versions."""
    return table(
        ("RELEASE", "MANAGER", "CLUSTERS", "ETCD", "CONTAINERD", "FROM", "BUILT"),
        (
            (
                one.name,
                one.kubernetes.manager,
                ", ".join(one.kubernetes.clusters),
                one.components.etcd,
                one.components.containerd,
                ", ".join(one.reached_from) or "-",
                ", ".join(built[one.name]) or "-",
            )
            for one in found
        ),
    )


def hosts(found: Sequence[HostInfo]) -> str:
    """Hosts and where they are."""
    if not found:
        return "No hosts: `moorage up` provides them."
    return table(
        ("HOST", "ROLE", "REGION", "ZONE", "ADDRESS", "OS", "BUNDLE", "STATE"),
        (
            (h.name, _role(h), h.region, h.zone, h.address, h.os or "-", h.release or "-", h.problem or "reachable")
            for h in found
        ),
    )


def _role(host: HostInfo) -> str:
    """A dedicated host with whose it is."""
    return f"{host.role} ({host.cluster})" if host.cluster else host.role


def clusters(found: Sequence[ClusterInfo]) -> str:
    """Clusters and how far they are."""
    if not found:
        return "No clusters: `moorage cluster create NAME` makes one."
    return table(
        ("CLUSTER", "VERSION", "PHASE", "CONTROL PLANE", "NODES", "ENDPOINT"),
        (
            (
                one.name,
                one.version if one.version == one.runs else f"{one.runs} -> {one.version}",
                one.phase,
                f"{one.control_plane_ready}/{one.control_plane_wanted}",
                f"{one.nodes_ready}/{one.nodes_wanted}",
                one.endpoint or "-",
            )
            for one in found
        ),
    )


def cluster(one: ClusterInfo) -> str:
    """One cluster with its nodes and conditions."""
    parts = [clusters([one])]
    if one.nodes:
        rows = ((n.name, n.pool, n.host or "-", "ready" if n.ready else "not ready") for n in one.nodes)
        parts.append(table(("NODE", "POOL", "HOST", "STATE"), rows))
    if one.conditions:
        rows = ((c.type, c.status, c.reason or "-", c.message or "-") for c in one.conditions)
        parts.append(table(("CONDITION", "STATUS", "REASON", "MESSAGE"), rows))
    return "\n\n".join(parts)


def status(found: PlatformStatus) -> str:
    """A platform at one moment, problems last."""
    answering = sum(not reason for reason in found.api_servers.values())
    nodes = sum(host.role != "dedicated" for host in found.hosts)  # of the manager
    parts = [
        f"{found.name}, release {found.release}: API servers {answering}/{len(found.api_servers)} ready, "
        f"nodes {len(found.nodes_ready)}/{nodes} ready",
        hosts(found.hosts),
        clusters(found.clusters),
    ]
    if found.problems:
        parts.append("\n".join(["Problems:", *(f"  {problem}" for problem in found.problems)]))
    return "\n\n".join(parts)


def density(found: Density) -> str:
    """Clusters as VMs beside what they have and use here, the sum below, and what it was made from."""
    if not found.clusters:
        return "No clusters: `moorage cluster create NAME` makes one."
    rows = [
        (
            one.name,
            " + ".join(f"{vms.count} x {vms.size}" for vms in one.vms),
            *map(_amount, (one.as_vms.both, one.reserved.both, one.used.both)),
        )
        for one in found.clusters
    ]
    rows += [
        ("system, manager, datastore", "-", "-", "-", _amount(found.shared)),
        ("all", f"{found.vm_count} VMs", *map(_amount, (found.as_vms.both, found.reserved.both, found.all_used))),
    ]
    head = ("CLUSTER", "AS VMS", "THE VMS HAVE", "RESERVED HERE", "USED HERE")
    end = f"{found.vm_count} VMs would take {times(found.as_vms.both.memory, found.all_used.memory)} the memory "
    end += f"that {found.hosts} hosts use now."
    if found.not_measured:
        end += f"\nNot measured, so counted as reserved: {', '.join(found.not_measured)}."
    return f"{table(head, rows)}\n\n{end}"


def _amount(amount: Amount) -> str:
    return f"{cores(amount.cpu)} CPU, {gib(amount.memory)}"


def cores(millis: int) -> str:
    """CPU in cores."""
    return f"{millis / 1000:.2f}"


def gib(size: int) -> str:
    """Memory in GiB."""
    return f"{size / 2**30:.1f} GiB"


def times(larger: int, smaller: int) -> str:
    """How many times as much, in words."""
    return f"{larger / smaller:.1f} times" if smaller else "more than"


def certificates(found: Sequence[CertificateInfo]) -> str:
    """Until when each is valid."""
    rows = ((one.of, one.name, f"{one.ends:%Y-%m-%d}", one.days, "soon" if one.due else one.note) for one in found)
    return table(("OF", "CERTIFICATE", "ENDS", "DAYS", ""), rows)


def preflight(report: Report) -> str:
    """What was checked, and everything that is not as it should be."""
    lines = [f"{_mark(result)}  {result.name}" for result in report.results if not result.findings]
    for result in report.results:
        for finding in result.findings:
            lines.append(f"{_mark(result)}  {result.name}: {finding.host}: {finding.seen}; wanted: {finding.wanted}")
            if finding.repair:
                lines.append(f"      repair: {finding.repair}")
    trips = [f"      {one} and {other}: {ms:.1f} ms there and back" for (one, other), ms in report.round_trips.items()]
    lines += ["", "Regions:", *trips] if trips else []
    failed = sum(result.failed for result in report.results)
    end = f"{failed} of {len(report.results)} checks failed." if failed else f"{len(report.results)} checks passed."
    return "\n".join([*lines, "", end])


def _mark(result: Result) -> str:
    if not result.findings:
        return "ok  "
    return "FAIL" if result.failed else "warn"

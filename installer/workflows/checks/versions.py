"""May these versions meet? https://kubernetes.io/releases/version-skew-policy/"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from installer.bundle import reach
from installer.bundle.release import releases as known_releases
from installer.core.errors import BundleError
from installer.core.version import Version, refused_step
from installer.hostops.preflight import Finding, Severity, known
from installer.workflows import deprecated, releases
from installer.workflows.checks.seen import PLATFORM, PlatformSeen

_KUBELETS_BEHIND: Final = 3  # minor versions that a kubelet may be older than an API server


def _kubelet(node: Any) -> Version:
    return Version.parse(node.status.nodeInfo.kubeletVersion)


@PLATFORM.check("releases", group="versions", ignorable=False)
def release_known(seen: PlatformSeen) -> Iterable[Finding]:
    """This Moorage knows the release that each host runs."""
    names = {one.name for one in known_releases()}
    for machine, facts in known(seen.machines):
        if facts.manifest.release and (name := releases.name_of(facts)) not in names:
            yield Finding(machine.name, f"release {name}", f"one of {', '.join(sorted(names))}", "use a newer Moorage")


@PLATFORM.check("way", group="versions", ignorable=False)
def way(seen: PlatformSeen) -> Iterable[Finding]:
    """The release is reached from what each host runs."""
    graph = {one.name: one.reached_from for one in known_releases()}
    for machine, facts in known(seen.machines):
        name = releases.name_of(facts)
        if name not in graph:
            continue
        try:
            found = reach.way(name, seen.target.name, graph)
        except BundleError as exc:
            yield Finding(machine.name, f"release {name}", str(exc), exc.hint)
            continue
        if len(found) > 1:
            between = ", ".join(found[:-1])
            yield Finding(machine.name, f"release {name}", f"{seen.target.name} by way of {between}", "moorage upgrade")


@PLATFORM.check("mixed-releases", group="versions", severity=Severity.WARNING)
def mixed(seen: PlatformSeen) -> Iterable[Finding]:
    """All hosts run one release; others are met where an upgrade is half done."""
    found = {machine.name: releases.name_of(facts) for machine, facts in known(seen.machines) if facts.manifest.release}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} {release}" for name, release in sorted(found.items()))
        yield Finding("platform", told, "one release", "moorage plan retry, or moorage rollback")


@PLATFORM.check("control-plane-skew", group="versions", ignorable=False)
def control_plane(seen: PlatformSeen) -> Iterable[Finding]:
    """The manager's API servers go one minor version at a time, and not back."""
    target = Version.parse(seen.target.kubernetes.manager)
    for machine, facts in known(seen.machines):
        before = releases.known(facts, facts.manifest.release)
        if machine.role != "manager" or before is None:
            continue
        now = Version.parse(before.kubernetes.manager)
        if why := refused_step(now, target):
            yield Finding(machine.name, f"Kubernetes {now}", why)


@PLATFORM.check("kubelet-skew", group="versions", ignorable=False)
def kubelets(seen: PlatformSeen) -> Iterable[Finding]:
    """No kubelet of a host is newer than the API servers will be, or too old for them."""
    target = Version.parse(seen.target.kubernetes.manager)
    for node in seen.nodes:
        now = _kubelet(node)
        if now.line > target.line:
            yield Finding(node.metadata.name, f"kubelet {now}", f"not newer than {target}")
        elif (now.major, now.minor + _KUBELETS_BEHIND) < target.line:
            yield Finding(node.metadata.name, f"kubelet {now}", f"at most {_KUBELETS_BEHIND} minors behind {target}")


@PLATFORM.check("kubelet-seen", group="versions", severity=Severity.WARNING)
def kubelet_seen(seen: PlatformSeen) -> Iterable[Finding]:
    """Each kubelet is of the version of its host's release: otherwise it was not started since, or changed by hand."""
    found = {node.metadata.name: _kubelet(node) for node in seen.nodes}
    for machine, facts in known(seen.machines):
        before = releases.known(facts, facts.manifest.release)
        if before and machine.name in found and str(found[machine.name]) != before.kubernetes.manager:
            wanted = f"{before.kubernetes.manager}, of release {before.name}"
            yield Finding(machine.name, f"kubelet {found[machine.name]}", wanted, "moorage up")


@PLATFORM.check("cluster-versions", group="clusters", ignorable=False)
def clusters(seen: PlatformSeen) -> Iterable[Finding]:
    """The release still offers the version of each cluster."""
    for one in seen.clusters:
        if one.version not in seen.target.kubernetes.all:
            offered = ", ".join(seen.target.kubernetes.all)
            repair = f"moorage cluster upgrade {one.name} --to VERSION"
            yield Finding(f"cluster {one.name}", f"Kubernetes {one.version}", f"one of {offered}", repair)


@PLATFORM.check("removed-apis", group="workloads")
def removed_apis(seen: PlatformSeen) -> Iterable[Finding]:
    """Nobody asks the manager for an API that its next version has no more."""
    for one in deprecated.gone(seen.deprecated.get(deprecated.MANAGER, ()), seen.target.kubernetes.manager):
        yield Finding("manager", f"{one.api} is asked for", f"{one.removed} has it no more", "change who asks for it")


@PLATFORM.check("removed-apis-in-clusters", group="workloads", severity=Severity.WARNING)
def removed_in_clusters(seen: PlatformSeen) -> Iterable[Finding]:
    """Nobody asks a cluster for an API that the newest version on offer has no more."""
    newest = seen.target.kubernetes.all[-1]
    for name, found in sorted(seen.deprecated.items()):
        for one in deprecated.gone(found, newest) if name != deprecated.MANAGER else ():
            yield Finding(f"cluster {name}", f"{one.api} is asked for", f"{one.removed} has it no more")

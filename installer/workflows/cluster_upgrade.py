"""Bring clusters to another version of Kubernetes: each minor version in turn, some clusters at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from installer.core.errors import KubernetesError
from installer.core.version import Version, refused_step
from installer.engine import preview as engine
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Plan, Target
from installer.engine.playbook import Batches, NamedStep, Phase, Playbook, RoleSelector, Selector
from installer.engine.registry import Guard, Verifies
from installer.engine.runner import RunResult
from installer.workflows import clusters, dedicated_hosts, maintenance, runs
from installer.workflows.cluster_info import ClusterInfo
from installer.workflows.session import Session
from installer.workflows.steps.change_host import ChangeHost
from installer.workflows.steps.drain_host import DrainHost, ReleaseHost

COMMAND: Final = "moorage cluster upgrade"
_READY_S: Final = 60


@dataclass(frozen=True)
class Fleet:
    """Clusters that are to have other versions: name -> version; also the context of the engine's step."""

    session: Session
    versions: Mapping[str, str]

    def targets(self, selector: Selector) -> Sequence[Target]:
        """All of them, or their dedicated hosts."""
        if selector == "clusters":
            return tuple(Target("cluster", name) for name in self.versions)
        return tuple(target for target in self.session.targets(selector) if self.cluster_of(target.name))

    def cluster_of(self, host: str) -> str:
        """The one of them that a host is a node of; empty: none."""
        place = dedicated_hosts.place(self.session, host)
        joined = place is not None and dedicated_hosts.stays(self.session, host)
        return place.cluster.name if place and joined and place.cluster.name in self.versions else ""


class UpgradeCluster:
    """The control plane first, then node after node, each with its successor ready before it goes."""

    title = "upgrade"

    def plan(self, fleet: Fleet, target: Target) -> Sequence[Change]:
        found, seen = stops(fleet, target.name), clusters.describe(fleet.session, target.name)
        if not found:
            # An earlier run may have been killed when only its control plane was there.
            return () if seen.serves else (Change(target.name, Action.RUN, "wait until its nodes follow"),)
        versions = " -> ".join([seen.runs, *found])
        return (Change(target.name, Action.UPDATE, f"Kubernetes {versions}"),)

    def run(self, fleet: Fleet, target: Target, report: StepReport) -> None:
        for version in stops(fleet, target.name) or (fleet.versions[target.name],):
            report.progress(f"to {version}")
            wanted = clusters.upgrade(fleet.session, target.name, version)
            clusters.await_ready(fleet.session, wanted, waiting=report.waiting, per_node=True)


class UpgradeDedicatedHost:
    """In place, some hosts at a time: emptied as its pool says, changed, let in again."""

    title = "upgrade"

    def __init__(self) -> None:
        self._change = ChangeHost()
        self._steps = (DrainHost(), self._change, ReleaseHost())

    def plan(self, fleet: Fleet, target: Target) -> Sequence[Change]:
        runs, wanted = dedicated_hosts.runs(fleet.session, target.name), fleet.versions[fleet.cluster_of(target.name)]
        if runs == wanted:
            return ()
        return (Change(target.name, Action.UPDATE, f"Kubernetes {runs} -> {wanted}"),)

    def run(self, fleet: Fleet, target: Target, report: StepReport) -> None:
        fleet.session.forget(target.name)
        for step in self._steps:
            if step.plan(fleet.session, target):
                step.run(fleet.session, target, report)
                if isinstance(step, Verifies):
                    step.verify(fleet.session, target, report)

    def undo(self, fleet: Fleet, target: Target, report: StepReport) -> None:
        self._change.undo(fleet.session, target, report)


def stops(fleet: Fleet, name: str) -> tuple[str, ...]:
    """The versions that a cluster goes through; none: it is there. Raises KubernetesError where there is no way."""
    found, target = clusters.describe(fleet.session, name), fleet.versions[name]
    steps = way(found.runs, target, fleet.session.bundle.info.kubernetes.all)
    # One that runs what is wanted, and was told to go elsewhere, comes back.
    return steps or ((target,) if found.version != target else ())


def way(current: str, target: str, offered: Sequence[str]) -> tuple[str, ...]:
    """From one version to another by the newest of each minor version in between; without the first.

    Raises KubernetesError that names what is missing.
    """
    if target not in offered:
        raise KubernetesError(f"this release has no Kubernetes {target}", hint=f"one of: {', '.join(offered)}")
    now, end = Version.parse(current), Version.parse(target)
    found: list[str] = []
    while now != end:
        if not refused_step(now, end):
            return (*found, target)
        following = [v for v in map(Version.parse, offered) if v.line == (now.major, now.minor + 1)]
        if now.line >= end.line or not following:
            hint = f"a release that offers {now.major}.{now.minor + 1} comes first" if now.line < end.line else ""
            raise KubernetesError(f"{target}: {refused_step(now, end)}", hint=hint)
        now = max(following)
        found.append(str(now))
    return tuple(found)


def chosen(session: Session, *, names: Sequence[str], labels: Mapping[str, str], version: str) -> Fleet:
    """The clusters with these names, or with these labels (none: all), that are not at `version` yet."""
    listed = clusters.labels(session)
    for name in names:
        if name not in listed:
            raise KubernetesError(f"there is no cluster {name}", hint="`moorage cluster list`")
    wanted = names or [name for name, found in listed.items() if labels.items() <= found.items()]
    return Fleet(session, dict.fromkeys(wanted, version))


def preview(fleet: Fleet, *, at_once: int) -> Plan:
    """What `upgrade` would do."""
    return engine.preview(_playbook(at_once, _hosts_at_once(fleet)), fleet)


def upgrade(fleet: Fleet, *, at_once: int, tolerates: int = 0) -> RunResult:
    """Run it, `at_once` clusters side by side; once more than `tolerates` have failed, no other is begun."""
    session, playbook = fleet.session, _playbook(at_once, _hosts_at_once(fleet), tolerates)
    arguments = {"versions": dict(fleet.versions), "at_once": at_once, "tolerates": tolerates}
    with runs.locked(session, COMMAND):
        return runs.run(session, playbook, COMMAND, fleet, arguments=arguments)


def _playbook(at_once: int, hosts_at_once: int | str, tolerates: int = 0) -> Playbook[Fleet]:
    ready: Guard[Fleet] = Guard(
        name="cluster-ready",
        check=lambda fleet, target: _unready(clusters.describe(fleet.session, target.name)),
        timeout_s=_READY_S,
        streak=1,
        hint="mend that first: `moorage cluster describe NAME`; an upgrade mends nothing",
    )
    window: Guard[Fleet] = Guard(
        name=maintenance.NAME,
        check=lambda fleet, target: maintenance.window(fleet.session, target),
        timeout_s=0,
        streak=1,
        hint=maintenance.HINT,
    )
    phase: Phase[Fleet] = Phase(
        name="clusters",
        title="Bring clusters to another version of Kubernetes",
        on="clusters",
        strategy=Batches(batches=at_once),
        guards=(window, ready),
        steps=(NamedStep("upgrade-cluster", UpgradeCluster()),),
        tolerates=tolerates,
    )
    hosts: Phase[Fleet] = Phase(
        name="dedicated",
        title="Bring their dedicated hosts to the same",
        on=RoleSelector(role="dedicated"),
        strategy=Batches(batches=hosts_at_once),
        guards=(window,),
        steps=(NamedStep("upgrade-dedicated-host", UpgradeDedicatedHost()),),
    )
    return Playbook(name="upgrade-clusters", title=phase.title, phases=(phase, hosts))


def _hosts_at_once(fleet: Fleet) -> int | str:
    return fleet.session.platform.spec.upgrades.max_unavailable


def _unready(found: ClusterInfo) -> str | None:
    return None if found.may_be_upgraded else found.waits_for or "it has not been ready yet"

"""Step distribute-bundle: every host of a region has the bundle, sent there once and passed on from host to host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from installer.bundle import distribute
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.spec.hosts import wanted_hosts
from installer.workflows import dedicated_hosts
from installer.workflows.registry import STEPS
from installer.workflows.session import Session

_SOURCES: Final = 8  # of them, each serves one host at a time; those that got the bundle serve, too


@STEPS.step("distribute-bundle")
class DistributeBundle:
    """What a host has is read from it: releases that are there in full."""

    title = "bring the bundle"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        # In the same words before there are hosts: what is left of a plan is to be known as that.
        lacking = _lacking(session, target) if session.hosts else _wanted(session, target)
        summary = f"bring release {session.platform.spec.release}"
        return (Change(target.name, Action.CREATE, summary, tuple(lacking)),) if lacking else ()

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        lacking = _lacking(session, target)
        names = [*lacking, *_sources(session, target, lacking)]
        addresses = {name: str(session.hosts[name].cluster_address) for name in names}
        distribute.distribute(
            session.bundle,
            addresses,
            session.connection,
            on_progress=report.progress,
            bytes_per_s=session.bytes_per_s(target.name),
        )
        for name in lacking:
            session.forget(name)


def _lacking(session: Session, target: Target) -> list[str]:
    names = [name for name in _region(session, target) if name in session.nodes or _is_taken(session, name)]
    return [name for name in names if session.bundle.digest not in session.facts(name).releases]


def _is_taken(session: Session, name: str) -> bool:
    """Whether a dedicated host is in a pool; else it has nothing of ours."""
    return dedicated_hosts.place(session, name) is not None


def _wanted(session: Session, target: Target) -> list[str]:
    hosts = [host for host in wanted_hosts(session.platform) if host.region == target.name]
    return [host.name for host in hosts if host.role != "dedicated" or _is_taken(session, host.name)]


def _sources(session: Session, target: Target, lacking: Sequence[str]) -> list[str]:
    """Hosts that hand the bundle on, so that nothing is sent to a region twice; not those of a single cluster."""
    return [name for name in _region(session, target) if name in session.nodes and name not in lacking][:_SOURCES]


def _region(session: Session, target: Target) -> list[str]:
    return [host.name for host in session.hosts.values() if host.region == target.name]

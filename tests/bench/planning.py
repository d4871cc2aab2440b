"""How long planning 1,000 hosts and 1,000 clusters takes: `python -m tests.bench.planning`. Goal: 3 s."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from installer.engine import saved
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.engine.playbook import Playbook, RoleSelector, Selector, load
from installer.engine.preview import preview
from installer.engine.registry import GuardRegistry, StepRegistry
from installer.spec import specification
from installer.spec.hosts import wanted_hosts

HOSTS, CLUSTERS = 1_000, 1_000
PLAYBOOK = """
name: up
title: Up
phases:
  - {name: infrastructure, title: Hosts, on: platform, steps: [change]}
  - {name: managers, title: Managers, on: {role: manager}, strategy: serial, steps: [change, change-more]}
  - {name: workers, title: Workers, on: {role: worker}, strategy: {batches: "10%"}, steps: [change, change-more]}
  - {name: clusters, title: Clusters, on: clusters, steps: [change]}
"""
T = TypeVar("T")


class World:
    """A platform that does not exist yet: everything is to be made."""

    def __init__(self, spec: specification.Specification) -> None:
        assert spec.platform is not None
        self.hosts = wanted_hosts(spec.platform)
        self.clusters = [cluster.name for cluster in spec.clusters]

    def targets(self, selector: Selector) -> Sequence[Target]:
        if isinstance(selector, RoleSelector):
            return [Target("host", host.name) for host in self.hosts if host.role == selector.role]
        return (
            [Target("cluster", name) for name in self.clusters] if selector == "clusters" else [Target("platform", "p")]
        )


class ChangeMuch:
    """Plans ten changes on each target."""

    title = "Change much"

    def plan(self, ctx: World, target: Target) -> Sequence[Change]:
        return [Change(target.name, Action.CREATE, f"write file {number}", ("a detail",)) for number in range(10)]

    def run(self, ctx: World, target: Target, report: StepReport) -> None:
        raise AssertionError("planning only reads")


def specification_text() -> str:
    """A platform of HOSTS hosts and CLUSTERS clusters."""
    head = "apiVersion: moorage.dev/v1\n"
    groups = ["{name: manager, role: manager, count: 5}"]
    groups += [f"{{name: worker-{n}, role: worker, count: 199}}" for n in range(5)]
    platform = (
        f"{head}kind: Platform\nmetadata: {{name: bench}}\nspec:\n  release: '2026.11'\n"
        f"  regions: [{{name: home, provider: {{kind: local}}, hosts: [{', '.join(groups)}]}}]\n"
    )
    cluster = "---\n" + head + "kind: Cluster\nmetadata: {{name: c-{}}}\nspec:\n  version: 1.36.3\n  pools:\n"
    pool = "    - {name: general, kind: shared, count: 2, cpu: 1, memory: 2Gi}\n"
    return platform + "".join(cluster.format(n) + pool for n in range(CLUSTERS))


def main() -> None:
    """Print a row a stage."""
    steps: StepRegistry[World] = StepRegistry()
    steps.step("change")(ChangeMuch)
    steps.step("change-more")(ChangeMuch)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "platform.yaml").write_text(specification_text())
        (directory / "playbook.yaml").write_text(PLAYBOOK)
        started = time.perf_counter()
        spec = _timed("load the specification", lambda: specification.load(directory / "platform.yaml"))
        book: Playbook[World] = load(directory / "playbook.yaml", steps=steps, guards=GuardRegistry())
        plan = _timed("plan", lambda: preview(book, World(spec)))
        _timed("digest", lambda: plan.digest)
        _timed("save and load", lambda: (saved.save(plan, directory / "p"), saved.load(directory / "p")))
        changes = sum(1 for _ in plan.changes())
        sys.stdout.write(f"{'all':<24}{time.perf_counter() - started:8.2f} s   {HOSTS} hosts, {CLUSTERS} clusters, ")
        sys.stdout.write(f"{changes} changes; goal 3 s\n")


def _timed(what: str, act: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = act()
    sys.stdout.write(f"{what:<24}{time.perf_counter() - started:8.2f} s\n")
    return result


if __name__ == "__main__":
    main()

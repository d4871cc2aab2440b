"""Many clusters on one machine: what each part takes, idle, and how long a cluster takes to come and go.

Local hosts are taken down afterwards. Beside each figure stands its goal; nothing is asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from installer.bundle.bundle import Bundle
from tests.bench import dns_query
from tests.bench.local_platform import local_platform
from tests.bench.platform import bare_pod
from tests.bench.processes import Process, processes
from tests.e2e.platform_under_test import PlatformUnderTest, eventually

_AT_ONCE, _NODES, _IDLE_S, _SETTLE_S = 10, 2, 60, 45
_GOALS_S = {"create alone": 8, "create at once": 60, "delete": 10}
_MIB = 2**20
_CREATE_TIMEOUT_S, _DNS_S = 900.0, 60.0
# Of each node; what is reserved must fit, not what is used: a twentieth of the CPU, and all of the memory.
_CPU, _MEMORY = "500m", "384Mi"


@dataclass
class Account:
    """What one kind of thing takes, by program; `count` things of it there are."""

    title: str
    count: int
    pss: Counter[str] = field(default_factory=Counter)  # bytes
    anonymous: Counter[str] = field(default_factory=Counter)
    cpu: Counter[str] = field(default_factory=Counter)  # of one core

    def lines(self) -> Iterable[str]:
        """A row a program, each for one thing, and their sum."""
        yield f"{f'{self.title} ({self.count})':<38}{'PSS MiB':>9}{'anonymous':>11}{'CPU %':>8}"
        for program, _ in self.pss.most_common():
            yield self._line(program, self.pss[program], self.anonymous[program], self.cpu[program])
        yield self._line("all", self.pss.total(), self.anonymous.total(), self.cpu.total())

    def _line(self, name: str, pss: float, anonymous: float, cpu: float) -> str:
        sizes = f"{pss / _MIB / self.count:9.1f}{anonymous / _MIB / self.count:11.1f}"
        return f"  {name:<36}{sizes}{cpu * 100 / self.count:8.2f}"


def main(clusters: int) -> None:
    """Print times, then who takes how much."""
    with local_platform("t-density") as platform:
        platform.must("up", "--yes")
        _say(f"load of the machine {os.getloadavg()}, {os.cpu_count()} CPU")
        names = _create(platform, clusters)
        _check_dns(platform, names)
        report(platform, len(names))
        _row("delete", _seconds(lambda: platform.must("cluster", "delete", names[0], "--yes")))


def _create(platform: PlatformUnderTest, count: int) -> Sequence[str]:
    # The first cluster brings the shared datastore into being; what counts is the next.
    platform.must("cluster", "create", "first", "--nodes", "0")
    platform.must("cluster", "delete", "first", "--yes")
    platform.kubectl("manager", "version")  # fetches the kubeconfig, which is not to be measured
    _row("a bare pod in the manager", _seconds(lambda: bare_pod(platform)))
    names = [f"c{number}" for number in range(1, count + 1)]
    size = ("--nodes", str(_NODES), "--cpu", _CPU, "--memory", _MEMORY)
    alone = ("cluster", "create", names[0], *size, "--version", _version())
    _row("create alone", _seconds(lambda: platform.must(*alone)))
    for first in range(1, count, _AT_ONCE):
        batch = names[first : first + _AT_ONCE]
        seconds = _seconds(lambda batch=batch: _create_at_once(platform, batch))  # type: ignore[misc]
        _row("create at once" if len(batch) == _AT_ONCE else f"create {len(batch)} at once", seconds)
    return names


def _create_at_once(platform: PlatformUnderTest, names: Sequence[str]) -> None:
    """As a user of GitOps does: the resources are written together."""
    pool = {"name": "general", "kind": "shared", "count": _NODES, "cpu": _CPU, "memory": _MEMORY}
    documents = [
        {
            "apiVersion": "moorage.dev/v1",
            "kind": "Cluster",
            "metadata": {"name": name},
            "spec": {"version": _version(), "pools": [pool]},
        }
        for name in names
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}).encode()
    platform.kubectl("manager", "apply", "-f", "-", stdin=text)
    eventually(lambda: _are_ready(platform, names), timeout_s=_CREATE_TIMEOUT_S, what=f"{', '.join(names)} are ready")


def _are_ready(platform: PlatformUnderTest, names: Sequence[str]) -> bool:
    wait = ("wait", "--for=condition=Ready", "clusters", *names, "--timeout=30s")
    return platform.kubectl("manager", *wait, check=False).returncode == 0


def _version() -> str:
    return Bundle.load("2026.11").info.kubernetes.manager


def _check_dns(platform: PlatformUnderTest, names: Sequence[str]) -> None:
    """From each node, through its kube-proxy; a cluster is ready before its DNS has started."""
    well, deadline = 0, time.monotonic() + _DNS_S
    while well < len(names) and time.monotonic() < deadline:
        well = _answer_dns(platform, names)
    _say(f"DNS answers on every node of {well} of {len(names)} clusters")


def _answer_dns(platform: PlatformUnderTest, names: Sequence[str]) -> int:
    uids = {uid: namespace for uid, (namespace, _) in _pods(platform).items()}
    answered: Counter[str] = Counter()
    for process in processes(platform.containers().values(), memory=False).values():
        if process.program == "kubelet" and process.pods:
            command = ["nsenter", f"--target={process.pid}", "--net", sys.executable, dns_query.__file__]
            done = subprocess.run(
                [*command, "10.96.0.10", "kubernetes.default.svc.cluster.local"], capture_output=True, check=False
            )
            answered[uids[process.pods[0]]] += done.returncode == 0
    return sum(answered[f"cluster-{name}"] == _NODES for name in names)


def report(platform: PlatformUnderTest, clusters: int) -> None:
    """Let things settle, watch for a while, print."""
    time.sleep(_SETTLE_S)
    owners = {uid: _owner(namespace, labels) for uid, (namespace, labels) in _pods(platform).items()}
    counts = Counter(owners.values())
    hosts = platform.containers().values()
    before, started = processes(hosts, memory=False), time.monotonic()
    time.sleep(_IDLE_S)
    after, seconds = processes(hosts, memory=False), time.monotonic() - started
    accounts: dict[str, Account] = {}

    def account(process: Process) -> Account:
        owner = owners.get(process.pods[0], "manager's other pods") if process.pods else "hosts and manager"
        return accounts.setdefault(owner, Account(owner, counts[owner] or 1))

    for pid, process in after.items():
        spent = process.cpu_s - (before[pid].cpu_s if pid in before else 0)
        account(process).cpu[process.program] += spent / seconds  # type: ignore[assignment]
    for process in processes(hosts, memory=True).values():
        account(process).pss[process.program] += process.pss
        account(process).anonymous[process.program] += process.anonymous
    for one in sorted(accounts.values(), key=lambda one: one.title):
        _say("\n".join(one.lines()))
    _verdict(accounts, clusters)


def _verdict(accounts: Mapping[str, Account], clusters: int) -> None:
    plane, node, store = accounts["control plane"], accounts["node pod"], accounts["datastore"]
    controller = accounts["controller"]
    share = store.pss.total() / clusters
    each = plane.pss.total() / plane.count + share
    cpu = (plane.cpu.total() + node.cpu.total() + store.cpu.total()) / clusters
    everything = sum(account.cpu.total() for account in accounts.values())
    memory = sum(account.pss.total() for account in accounts.values())
    _say(f"control plane, with {share / _MIB:.1f} MiB of the datastore: {each / _MIB:.0f} MiB (goal 200)")
    _say(f"node pod: {node.pss.total() / node.count / _MIB:.0f} MiB (goal 130)")
    _say(f"idle, a cluster with its share of the datastore: {cpu * 100:.1f} % of a core (goal 4)")
    _say(f"controller: {controller.pss.total() / _MIB:.0f} MiB (150), {controller.cpu.total() * 100:.1f} % (goal 5)")
    _say(f"everything: {memory / 2**30:.1f} GiB, {everything * 100:.0f} % of a core; {clusters} clusters")


def _owner(namespace: str, labels: Mapping[str, str]) -> str:
    if namespace == "moorage-datastores":
        return "datastore"
    if labels.get("app") == "moorage-controller":
        return "controller"
    return {"control-plane": "control plane", "node": "node pod"}.get(
        labels.get("moorage.dev/part", ""), "manager's other pods"
    )


def _pods(platform: PlatformUnderTest) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    found = json.loads(platform.kubectl("manager", "get", "pods", "-A", "-o", "json").stdout)["items"]
    metas = [pod["metadata"] for pod in found]
    return {meta["uid"]: (meta["namespace"], meta.get("labels") or {}) for meta in metas}


def _row(what: str, seconds: float) -> None:
    goal = f"   goal {_GOALS_S[what]} s" if what in _GOALS_S else ""
    _say(f"{what:<32}{seconds:8.1f} s{goal}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started

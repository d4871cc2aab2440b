"""Is the manager well, and does anything in it stand in the way of a host that is to be empty?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from installer.core.errors import InstallerError
from installer.hostops.preflight import Finding, Severity
from installer.kubernetes import draining
from installer.spec.quantity import cpu_millis, memory_bytes
from installer.workflows.checks.seen import PLATFORM, PlatformSeen
from installer.workflows.manager_api import is_ready

_WELL: Final = frozenset({"Running", "Succeeded"})


@PLATFORM.check("manager-api", group="hosts")
def answers(seen: PlatformSeen) -> Iterable[Finding]:
    """Each API server of the manager is ready, and tells what the checks ask for."""
    for server, why in sorted(seen.api_servers.items()):
        if why:
            yield Finding(server, why, "ready", "journalctl -u kube-apiserver -n 50")
    for what, why in sorted(seen.unknown.items()):
        yield Finding("manager", f"{what}: {why}", "to be looked at", "moorage status")


@PLATFORM.check("nodes-ready", group="hosts")
def nodes_ready(seen: PlatformSeen) -> Iterable[Finding]:
    """Every host is a ready node: one that is lost already leaves no room for another."""
    found = {node.metadata.name: node for node in seen.nodes}
    for machine in seen.machines:
        if isinstance(machine.facts, InstallerError) or not machine.facts.manifest.serves or not found:
            continue
        node = found.get(machine.name)
        if node is None or not is_ready(node):
            repair = "journalctl -u kubelet -u containerd -n 50"
            yield Finding(machine.name, "no node" if node is None else "not ready", "a ready node", repair)


@PLATFORM.check("nodes-open", group="hosts", severity=Severity.WARNING)
def nodes_open(seen: PlatformSeen) -> Iterable[Finding]:
    """No host is closed to new pods."""
    for node in seen.nodes:
        if node.spec.unschedulable:
            since = draining.since(node.metadata.annotations)
            told = f"emptied since {since}" if since else "cordoned"
            yield Finding(node.metadata.name, told, "open", f"kubectl uncordon {node.metadata.name}")


@PLATFORM.check("pressure", group="capacity")
def pressure(seen: PlatformSeen) -> Iterable[Finding]:
    """No host lacks memory, disk or process numbers."""
    for node in seen.nodes:
        for condition in node.status.conditions or ():
            if condition.type.endswith("Pressure") and condition.status == "True":
                yield Finding(node.metadata.name, condition.type, "none", "make room on that host")


@PLATFORM.check("surge", group="capacity")
def surge(seen: PlatformSeen) -> Iterable[Finding]:
    """What a worker carries finds room elsewhere while it is changed."""
    workers = {machine.name for machine in seen.machines if machine.role == "worker"}
    left = {node.metadata.name: _offered(node) for node in seen.nodes if not node.spec.unschedulable}
    for pod in seen.pods:
        if _live(pod) and pod.spec.nodeName in left:
            left[pod.spec.nodeName] = _less(left[pod.spec.nodeName], _requested(pod))
    for worker in sorted(workers & left.keys()):
        moving = [pod for pod in seen.pods if pod.spec.nodeName == worker and _moves(pod, worker, seen)]
        # The largest first, each where most memory is left: what does not fit so may still fit otherwise.
        rest = {name: room for name, room in left.items() if name != worker}
        for pod in sorted(moving, key=lambda one: _requested(one)[1], reverse=True):
            cpu, memory = _requested(pod)
            best = max(rest, key=lambda name: (rest[name][0] >= cpu, rest[name][1]), default="")
            if not best or rest[best][0] < cpu or rest[best][1] < memory:
                asked = f"{cpu}m CPU, {memory / 2**30:.1f} GiB"
                told = f"{pod.metadata.namespace}/{pod.metadata.name} ({asked}) finds no room on another host"
                yield Finding(worker, told, "room for all that moves", "add a host, or take pods away")
                break
            rest[best] = _less(rest[best], (cpu, memory))


@PLATFORM.check("budgets", group="workloads")
def budgets(seen: PlatformSeen) -> Iterable[Finding]:
    """No budget forbids for good that a pod of the manager moves."""
    for budget in seen.budgets:
        labels = (budget.spec.selector.matchLabels or {}) if budget.spec and budget.spec.selector else {}
        status = budget.status
        pods = [p for p in seen.pods if p.metadata.namespace == budget.metadata.namespace and _live(p)]
        held = [p for p in pods if labels and labels.items() <= (p.metadata.labels or {}).items()]
        evicted = [p for p in held if _moves(p, p.spec.nodeName or "", seen)]
        evicted = [p for p in evicted if not draining.is_moved_by_controller(p.metadata.labels)]
        if evicted and status and not status.disruptionsAllowed:
            name = f"{budget.metadata.namespace}/{budget.metadata.name}"
            told = f"budget {name} lets no pod go ({status.currentHealthy} of {status.desiredHealthy} are well)"
            yield Finding("manager", told, "one at least", f"kubectl -n {budget.metadata.namespace} get pdb")


@PLATFORM.check("webhooks", group="workloads")
def webhooks(seen: PlatformSeen) -> Iterable[Finding]:
    """No webhook without anybody behind it has to agree to what is made."""
    alive = {
        ((one.metadata.labels or {}).get("kubernetes.io/service-name"), one.metadata.namespace)
        for one in seen.slices
        if any(end.conditions is None or end.conditions.ready is not False for end in one.endpoints or ())
    }
    for configuration in seen.webhooks:
        for hook in configuration.webhooks or ():
            service = hook.clientConfig.service
            if service and hook.failurePolicy != "Ignore" and (service.name, service.namespace) not in alive:
                told = f"{hook.name} must agree, and nobody answers at {service.namespace}/{service.name}"
                yield Finding("manager", told, "somebody answers", "start it, or remove its configuration")


@PLATFORM.check("pods", group="workloads", severity=Severity.WARNING)
def pods(seen: PlatformSeen) -> Iterable[Finding]:
    """All pods of the manager run."""
    for pod in seen.pods:
        if pod.status.phase not in _WELL:
            yield Finding("manager", f"{pod.metadata.namespace}/{pod.metadata.name} is {pod.status.phase}", "Running")


@PLATFORM.check("crash-loops", group="workloads", severity=Severity.WARNING)
def crash_loops(seen: PlatformSeen) -> Iterable[Finding]:
    """No container in the manager ends over and over."""
    for pod in seen.pods:
        for container in pod.status.containerStatuses or ():
            waiting = container.state.waiting if container.state else None
            if waiting and waiting.reason == "CrashLoopBackOff":
                name = f"{pod.metadata.namespace}/{pod.metadata.name}"
                yield Finding("manager", f"{name}: {container.name} ends over and over", "it runs on")


def _live(pod: Any) -> bool:
    return pod.status.phase not in {"Succeeded", "Failed"}


def _moves(pod: Any, host: str, seen: PlatformSeen) -> bool:
    return not draining.stays(pod, seen.volumes.get(host, ()))


def _requested(pod: Any) -> tuple[int, int]:
    asked = [(c.resources.requests or {}) if c.resources else {} for c in pod.spec.containers]
    return (
        sum(cpu_millis(one.get("cpu", "0")) for one in asked),
        sum(memory_bytes(one.get("memory", "0")) for one in asked),
    )


def _offered(node: Any) -> tuple[int, int]:
    found = node.status.allocatable
    return cpu_millis(found["cpu"]), memory_bytes(found["memory"])


def _less(room: tuple[int, int], asked: tuple[int, int]) -> tuple[int, int]:
    return room[0] - asked[0], room[1] - asked[1]

"""Move a cluster's control plane and its data to another region, while its nodes and what runs on them stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightkube.resources.core_v1 import Pod

from installer.core import clock
from installer.core.errors import KubernetesError
from installer.engine import preview as engine
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Plan, Target
from installer.engine.playbook import NamedStep, Phase, Playbook, Selector
from installer.engine.registry import Guard
from installer.engine.runner import RunResult
from installer.kubernetes import client, datastore, hosted
from installer.kubernetes.client import DatastoreResource
from installer.spec.hosts import wanted_hosts
from installer.workflows import clusters, maintenance, runs
from installer.workflows.session import Session

COMMAND: Final = "moorage cluster move"
# Members follow, or all keys are copied; raising revisions beyond those of a busy datastore alone may take ten minutes.
_TIMEOUT_S: Final = 1800
_PAUSE: Final = "its API stands still for some 10 s, what runs on its nodes does not"


@dataclass(frozen=True)
class Move:
    """A cluster that is to have its home in a region; also the context of the engine's step."""

    session: Session
    cluster: str
    region: str

    def targets(self, selector: Selector) -> Sequence[Target]:
        """The cluster."""
        return (Target("cluster", self.cluster),) if selector == "clusters" else ()


class MoveCluster:
    """The controller does it, as it would after any change of the resource; here it is awaited."""

    title = "move"

    def plan(self, move: Move, target: Target) -> Sequence[Change]:
        return tuple(Change(target.name, Action.UPDATE, text) for text in _steps(move))

    def run(self, move: Move, target: Target, report: StepReport) -> None:
        clusters.rehome(move.session, target.name, move.region)

        def underway() -> str | None:
            reason = _unfinished(move)
            if reason:
                report.waiting(reason)
            return reason

        clock.wait_until(
            underway,
            what=f"cluster {target.name} serves from region {move.region}",
            timeout_s=_TIMEOUT_S,
            clock=clock.SystemClock(),
            hint=f"`moorage cluster describe {target.name}`, then the same command again: it goes on",
        )


def to(session: Session, cluster: str, region: str) -> Move:
    """A move that can be made; raises KubernetesError that says why it cannot."""
    hosts = wanted_hosts(session.platform)
    able = sorted({host.region for host in hosts if host.role == "manager"})
    if region not in able:
        known = region in {one.name for one in session.platform.spec.regions}
        what = f"region {region} has no host with the role manager" if known else f"there is no region {region}"
        raise KubernetesError(
            f"cluster {cluster} cannot move: {what}",
            cause="data of clusters lies on hosts with that role" if known else "",
            hint=f"choose one of {', '.join(able)}" + ("; or give it a manager and run `moorage up`" if known else ""),
        )
    _require_movable_data(session, clusters.resource_of(session, cluster), region)
    return Move(session, cluster, region)


def preview(move: Move) -> Plan:
    """What `run` would do."""
    return engine.preview(_playbook(), move)


def run(move: Move) -> RunResult:
    """Do it, and return once the cluster serves from there and nothing is left elsewhere."""
    with runs.locked(move.session, COMMAND):
        arguments = {"cluster": move.cluster, "region": move.region}
        return runs.run(move.session, _playbook(), COMMAND, move, arguments=arguments)


def _playbook() -> Playbook[Move]:
    window: Guard[Move] = Guard(
        name=maintenance.NAME,
        check=lambda move, target: maintenance.window(move.session, target),
        timeout_s=0,
        streak=1,
        hint=maintenance.HINT,
    )
    phase: Phase[Move] = Phase(
        name="clusters",
        title="Move clusters to another region",
        on="clusters",
        strategy="serial",
        guards=(window,),
        steps=(NamedStep("move-cluster", MoveCluster()),),
    )
    return Playbook(name="move-cluster", title=phase.title, phases=(phase,))


def _require_movable_data(session: Session, resource: Mapping[str, Any], region: str) -> None:
    """Raises KubernetesError where the data is in a datastore of the user's own, which lies elsewhere."""
    wanted = (resource.get("spec") or {}).get("datastore", datastore.SHARED)
    if wanted in {datastore.SHARED, datastore.DEDICATED} or _region_of(session, wanted) == region:
        return
    patch = f'kubectl patch datastore {wanted} --type=merge -p \'{{"spec":{{"region":"{region}"}}}}\''
    raise KubernetesError(
        f"cluster {resource['metadata']['name']} cannot move alone: its data is in datastore {wanted}, which is one of "
        "your own and may hold that of others",
        hint=f"move that, `{patch}` in the manager: its members follow one by one; or change spec.datastore",
    )


def _steps(move: Move) -> Iterator[str]:
    """What is to be done, in the order in which it is; nothing where all is as it is to be."""
    resource = clusters.resource_of(move.session, move.cluster)
    spec, where = resource.get("spec") or {}, (resource.get("status") or {}).get("datastore") or {}
    before = (spec.get("controlPlane") or {}).get("region") or ""
    if before != move.region:
        yield f"control plane: from {f'region {before}' if before else 'any region'} to region {move.region}"
    wanted, at = _store(spec, move), where.get("name", "")
    if at and at != wanted:
        yield f"data: from datastore {at} to {wanted}, while it serves; at the end {_PAUSE}"
    elif wanted == datastore.own(move.cluster) and _region_of(move.session, wanted) != move.region:
        yield f"data: members of datastore {wanted} follow one by one, while it serves"
    elif before == move.region and (reason := _unfinished(move)):
        yield f"goes on: {reason}"


def _unfinished(move: Move) -> str | None:
    """Why a move is not at its end; None: it is."""
    resource = clusters.resource_of(move.session, move.cluster)
    spec, status = resource.get("spec") or {}, resource.get("status") or {}
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return "the controller has not looked at it yet"
    needed = [one for one in status.get("conditions") or () if one["type"] in ("ControlPlaneReady", "DatastoreReady")]
    if told := "; ".join(one.get("message") or one["reason"] for one in needed if one["status"] != "True"):
        return told
    where = status.get("datastore") or {}
    if where.get("name") != _store(spec, move):
        return f"its data is still in datastore {where.get('name')}"
    if where.get("also"):
        return f"what is left of it in datastore {where['also']} is removed"
    away = sorted(name for name, host in _places(move, spec) if not _is_in(move, host))
    return f"not in region {move.region} yet: {', '.join(away)}" if away else None


def _places(move: Move, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each pod of the control plane and each member of its datastore, and the host that it is on."""
    session, where = move.session, hosted.namespace(move.cluster)
    with client.translated(f"look at where cluster {move.cluster} is"):
        pods = list(
            session.api.list(Pod, namespace=where, labels=dict(hosted.labels(move.cluster, hosted.CONTROL_PLANE)))
        )
        store = client.found_or_none(lambda: session.api.get(DatastoreResource, _store(spec, move)))
    yield from ((pod.metadata.name or "", pod.spec.nodeName or "") for pod in pods if pod.metadata and pod.spec)
    members = ((store.to_dict().get("status") or {}).get("members") or ()) if store else ()
    yield from ((f"member {one['name']}", one["host"]) for one in members)


def _is_in(move: Move, host: str) -> bool:
    found = move.session.hosts.get(host)
    return found is not None and found.region == move.region


def _store(spec: Mapping[str, Any], move: Move) -> str:
    return datastore.name_for(move.cluster, spec.get("datastore", datastore.SHARED), move.region)


def _region_of(session: Session, name: str) -> str:
    found = client.found_or_none(lambda: session.api.get(DatastoreResource, name), f"read datastore {name}")
    return str((found.to_dict().get("spec") or {}).get("region") or "") if found else ""

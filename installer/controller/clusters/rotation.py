"""A cluster's authorities on their way to others: each stage is entered once all of the cluster has the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx2
from lightkube.resources.core_v1 import Pod

from installer.controller.clusters.authorities import Authorities, fingerprint
from installer.controller.clusters.inside import Inside
from installer.controller.manager_api import Api, meta_of
from installer.controller.status import Condition, Happened
from installer.kubernetes import hosted, node, node_pod, rotation
from installer.kubernetes.cluster_status import AUTHORITIES_SETTLED, UPDATING
from installer.kubernetes.roots import Roots, Stage

_STAGES: Final = (Stage.TRUST, Stage.REISSUE, Stage.DROP)
_TIMEOUT_S: Final = 1.0
_NAMED: Final = 3  # as many nodes does a message name; no more are asked once so many are behind


@dataclass(frozen=True)
class Wish:
    """What a Cluster's annotations ask for. `asked`: any text, another one asks for another rotation."""

    asked: str
    held: bool  # in the stage in which both authorities are trusted, and the old one issues

    @classmethod
    def of(cls, annotations: Mapping[str, str] | None) -> Wish:
        """As a resource has it."""
        given = annotations or {}
        return cls(given.get(hosted.ROTATE, ""), given.get(hosted.HOLD, "") not in ("", "false"))


@dataclass(frozen=True)
class Seen:
    """The cluster in this pass: its roots, what is noted of them in its status, and what it waits for, if anything."""

    roots: Roots
    noted: str
    waits: Sequence[str]  # of its control plane and its nodes, for people
    hosts: Mapping[str, str] = field(default_factory=dict)  # addresses of nodes that are whole hosts, by name


class Rotation:
    """Of one cluster. What it knows is in the Secret with the roots."""

    def __init__(self, name: str, api: Api, authorities: Authorities) -> None:
        self._namespace = hosted.namespace(name)
        self._labels = hosted.labels(name, node_pod.PART)
        self._api = api
        self._authorities = authorities

    def go_on(self, wish: Wish, seen: Seen, inside: Inside | None) -> tuple[Condition | None, list[Happened]]:
        """Enter the next stage if nothing is behind; says how that is, None where nothing is under way."""
        stage = seen.roots.stage
        if stage is Stage.SETTLED and not self._authorities.asks(wish.asked):
            return None, []
        behind = seen.waits or self._behind(seen, inside)
        held = wish.held and stage is Stage.TRUST
        if behind or held:
            return _condition(stage, behind, held=held), []
        entered = self._authorities.advance(wish.asked)
        if entered is Stage.SETTLED:
            return None, [Happened("AuthoritiesRotated", "the old authorities are trusted nowhere any more")]
        told = Happened("AuthoritiesRotating", f"{_numbered(entered)}: {rotation.SAID[entered]}")
        return _condition(entered, ["all of it follows"], held=False), [told]

    def _behind(self, seen: Seen, inside: Inside | None) -> list[str]:
        """What has not come to the stage yet, for people."""
        if seen.roots.stage is Stage.SETTLED:
            return []
        if seen.noted != fingerprint(seen.roots):  # else a stage from here would not be known for this cluster's
            return ["its status does not name the authority that issues yet"]
        if inside is None:
            return ["its API does not answer"]
        return [*self._nodes(seen.roots), *_hosts(seen), *inside.behind()]

    def _nodes(self, roots: Roots) -> list[str]:
        """Nodes whose processes were not started with these authorities."""
        behind: list[str] = []
        for pod in self._api.list(Pod, self._namespace, self._labels):
            meta = meta_of(pod)
            placed = bool(pod.spec and pod.spec.nodeName)  # else it has read nothing yet
            address = pod.status.podIP if pod.status else None
            if placed and meta.deletionTimestamp is None and authorities_of(address or "") != roots.marker:
                behind.append(f"node {meta.name} follows")
            if len(behind) == _NAMED:
                break
        return behind


def _hosts(seen: Seen) -> list[str]:
    marker = seen.roots.marker
    late = [name for name, address in sorted(seen.hosts.items()) if authorities_of(address) != marker]
    return [f"host {name} follows with `moorage up`" for name in late]


def authorities_of(address: str) -> str:
    """Which authorities the processes of the node at an address were started with; empty where it does not tell."""
    url = f"http://{address}:{node.NETWORK_READY_PORT}/authorities"
    try:
        answer = httpx2.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return ""
    return answer.text if answer.status_code == HTTPStatus.OK else ""


def _condition(stage: Stage, behind: Sequence[str], *, held: bool) -> Condition:
    if stage is Stage.SETTLED:
        return Condition(AUTHORITIES_SETTLED, False, UPDATING, f"a rotation is asked for; waits: {'; '.join(behind)}")
    said = f"{_numbered(stage)}: {rotation.SAID[stage]}"
    if behind:
        return Condition(AUTHORITIES_SETTLED, False, UPDATING, f"{said}; waits: {'; '.join(behind)}")
    return Condition(AUTHORITIES_SETTLED, held, "Held", f"{said}; held by annotation {hosted.HOLD}")


def _numbered(stage: Stage) -> str:
    return f"stage {stage} ({_STAGES.index(stage) + 1} of {len(_STAGES)})"

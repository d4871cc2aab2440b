"""Why pods of a cluster do not run yet, in the scheduler's and the kubelet's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightkube.models.core_v1 import ContainerStatus
from lightkube.resources.core_v1 import Pod

from installer.controller.clusters import room
from installer.controller.clusters.room import Room
from installer.controller.manager_api import Api, meta_of
from installer.kubernetes import hosted

_LONGEST = 300  # characters of a program's last words
_ON_THEIR_WAY = frozenset({"ContainerCreating", "PodInitializing"})


def reasons(api: Api, cluster: str, part: str, free: Callable[[], Mapping[str, Room]]) -> str:
    """What holds the pods of a part of a cluster up; empty when nothing does. `free`: by host, asked if it matters."""
    found = []
    for pod in api.list(Pod, hosted.namespace(cluster), hosted.labels(cluster, part)):
        name, status = meta_of(pod).name, pod.status
        for condition in (status.conditions or []) if status else []:
            if condition.type == "PodScheduled" and condition.status == "False":
                found.append(f"{name} cannot be placed: {_unplaced(pod, free()) or condition.message}")
        for container in (status.containerStatuses or []) if status else []:
            waiting = container.state.waiting if container.state else None
            if waiting and waiting.reason not in _ON_THEIR_WAY:
                said = _last_words(container) or waiting.message or ""
                found.append(f"{name}: {container.name}: {waiting.reason}: {said}".rstrip(": "))
    return "; ".join(found)


def _last_words(container: ContainerStatus) -> str:
    """The last line that it wrote before it ended; empty where none is kept."""
    ended = container.lastState.terminated if container.lastState else None
    lines = ((ended.message or "") if ended else "").strip().splitlines()
    return lines[-1][:_LONGEST] if lines else ""


def _unplaced(pod: Any, free: Mapping[str, Room]) -> str:
    """Requested against free on each host that may carry it; empty when room is not what it lacks."""
    return room.explain(room.requested(pod), free)

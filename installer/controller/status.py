"""The status of a Cluster resource, made from what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from installer.kubernetes.cluster_status import HOSTS_READY, PENDING, REFUSED, UPDATING, UPGRADE_FAILED

# The reason of a condition that is on its way, with too little that serves; with enough of it, it is UPDATING.
STARTING: Final = "Starting"


@dataclass(frozen=True)
class Condition:
    """One fact about a cluster. `reason` is one word in CamelCase, `message` a sentence for people."""

    type: str
    ok: bool
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Happened:
    """Something that was done, told as an event of the resource. `reason` is one word in CamelCase."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class NodeFound:
    """One node: where its pod is, and whether its own API says that it is ready."""

    name: str
    pool: str
    host: str
    ready: bool
    draining: bool = False

    @property
    def is_host(self) -> bool:
        """Whether it is a host as a whole."""
        return self.name == self.host


@dataclass(frozen=True)
class Attempt:
    """To bring a control plane to a version; another generation of the cluster or another bundle is another attempt."""

    version: str
    generation: int
    bundle: str
    why: str = field(default="", compare=False)  # it failed


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one look at a cluster found."""

    conditions: tuple[Condition, ...]  # without Ready, which follows from them
    endpoint: str = ""
    authority: str = ""  # fingerprint; empty: not known in this pass
    control_plane_ready: int = 0
    control_plane_wanted: int = 1
    version: str = ""  # that all of the control plane runs, or last ran; empty: not known in this pass
    failed: Attempt | None = None  # None, where the version is known: there is none
    nodes: tuple[NodeFound, ...] = ()
    nodes_wanted: int = 0
    volumes: Mapping[str, int] | None = None  # by host, those included where there is only room; None: as before
    bundle: str = ""  # digest of the one that everything is made from, or is about to be

    @property
    def nodes_ready(self) -> int:
        return sum(node.ready for node in self.nodes)

    @property
    def ready(self) -> bool:
        return bool(self.conditions) and all(condition.ok for condition in self.conditions)

    @property
    def serves(self) -> bool:
        """Ready, but perhaps for hosts of dedicated pools, which only the installer brings."""
        return bool(self.conditions) and all(one.ok or one.type == HOSTS_READY for one in self.conditions)


def status(found: Found, *, generation: int, before: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """The whole status; a condition that stays as it was keeps the time of its last transition."""
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in before.get("conditions") or ()}
    conditions = [*found.conditions, _ready(found)]
    return {
        "observedGeneration": generation,
        "phase": phase(found, generation=generation, before=before),
        "endpoint": found.endpoint,
        # Once there, it stays: by it a cluster whose authorities are gone is told from a new one.
        "authority": found.authority or before.get("authority", ""),
        "controlPlane": {
            "ready": found.control_plane_ready,
            "summary": f"{found.control_plane_ready}/{found.control_plane_wanted}",
            **_version(found, before.get("controlPlane") or {}),
        },
        "nodes": {
            "ready": found.nodes_ready,
            "summary": f"{found.nodes_ready}/{found.nodes_wanted}",
            "items": [vars(node) for node in found.nodes],
        },
        # What all of it was last whole on; by it those who bring a newer one see when it has come through.
        "bundle": found.bundle if found.serves else before.get("bundle", ""),
        "volumes": _volumes(found.volumes, before),
        "conditions": [entry(c, generation, times, moment) for c in conditions],
    }


def _version(found: Found, before: Mapping[str, Any]) -> dict[str, Any]:
    """Kept until it is known anew: nodes follow it, and nothing goes further than one minor version from it."""
    if not found.version:
        return {key: before[key] for key in ("version", "failed") if key in before}
    return {"version": found.version, "failed": [vars(found.failed)] if found.failed else []}


def _volumes(found: Mapping[str, int] | None, before: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Kept until the cluster is deleted: its data is where this says."""
    if found is None:
        return list(before.get("volumes") or ())
    return [{"host": host, "count": count} for host, count in found.items()]


def phase(found: Found, *, generation: int, before: Mapping[str, Any]) -> str:
    """One word for people: Ready; Pending until it first was; Updating while it follows a change; else Degraded."""
    if found.ready:
        return "Ready"
    lacking = [condition.reason for condition in found.conditions if not condition.ok]
    if any(reason.endswith(REFUSED) for reason in lacking):
        return REFUSED
    if before.get("phase", PENDING) == PENDING and not found.serves:
        return PENDING
    if lacking == [UPGRADE_FAILED]:
        return UPGRADE_FAILED
    if (
        found.serves
        or all(reason == UPDATING for reason in lacking)
        or before.get("phase") == UPDATING
        or before.get("observedGeneration") != generation
    ):
        return UPDATING
    return "Degraded"


def _ready(found: Found) -> Condition:
    lacking: Sequence[Condition] = [condition for condition in found.conditions if not condition.ok]
    if not lacking:
        return Condition("Ready", True, "Ready")
    return Condition("Ready", False, lacking[0].reason, lacking[0].message)


def entry(condition: Condition, generation: int, times: Mapping[tuple[str, str], str], moment: str) -> dict[str, Any]:
    """A condition as it stands in a status; `times`: since when it is so, by type and status."""
    state = "True" if condition.ok else "False"
    return {
        "type": condition.type,
        "status": state,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": times.get((condition.type, state), moment),
    }

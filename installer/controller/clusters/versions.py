"""Which version a control plane is to run: the one that is asked for, or the one before where that did not come up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from installer.controller.status import Attempt, Condition, Happened
from installer.core.version import Version, refused_step
from installer.kubernetes.cluster_status import UPGRADE_FAILED

# What the Deployment controller says when a rollout has not come further for its progressDeadlineSeconds.
_LATE: Final = "ProgressDeadlineExceeded"


@dataclass(frozen=True)
class Course:
    """What a control plane is at, and where it is to go."""

    whole: str  # the version that all of it last ran; before the first time, the one that it is made with
    attempt: Attempt  # what is asked for
    failed: Attempt | None  # the same, made before, and why it failed

    @property
    def wanted(self) -> str:
        """The version that is asked for."""
        return self.attempt.version

    @property
    def version(self) -> str:
        """The one that it is to run now."""
        return self.whole if self.failed else self.wanted

    @property
    def tries(self) -> bool:
        """Whether it goes to another version."""
        return self.version != self.whole


def course(status: Mapping[str, Any], attempt: Attempt) -> Course:
    """From the status of a cluster. `attempt`: what is asked for; it is made once, as long as it is the same."""
    plane = status.get("controlPlane") or {}
    failed = next((found for noted in plane.get("failed") or () if (found := Attempt(**noted)) == attempt), None)
    return Course(plane.get("version") or attempt.version, attempt, failed)


def refusal(found: Course) -> Condition | None:
    """Why a version is not even tried; the schema refuses it too, unless it was changed twice in a moment."""
    why = refused_step(Version.parse(found.whole), Version.parse(found.wanted))
    if not why:
        return None
    message = f"its control plane runs {found.whole}; {why}"
    return Condition("ControlPlaneReady", False, "VersionRefused", message)


def given_up(found: Any) -> bool:
    """Whether Kubernetes says of a Deployment, as it is now, that its newest pods do not come up.

    Where such pods were made before, it repeats for a moment what it said of others, until the first is there.
    """
    status = found.status
    if status is None or status.observedGeneration != found.metadata.generation:
        return False
    late = any(one.type == "Progressing" and one.reason == _LATE for one in status.conditions or ())
    return late and bool(status.updatedReplicas or not_made(found))


def not_made(found: Any) -> str:
    """Why pods of a Deployment are not even made; empty when they are."""
    conditions = (found.status.conditions or ()) if found.status else ()
    return next((one.message or "" for one in conditions if one.type == "ReplicaFailure" and one.status == "True"), "")


def told(found: Course) -> Condition | None:
    """What the failed attempt is to users: the cluster serves, and is not what was asked for."""
    if found.failed is None:
        return None
    message = (
        f"Kubernetes {found.wanted} did not come up, and {found.whole} serves as before ({found.failed.why}); "
        f"try again with `moorage cluster upgrade`, or set spec.version back to {found.whole}"
    )
    return Condition("VersionReached", False, UPGRADE_FAILED, message)


def judged(found: Course, given_up: str) -> tuple[Course, list[Happened]]:
    """The course after a look at the pods; `given_up`: why Kubernetes no longer expects them, empty while it does."""
    if not (given_up and found.tries):
        return found, []
    after = replace(found, failed=replace(found.attempt, why=given_up))
    message = f"Kubernetes {found.wanted} does not come up: {given_up}; back to {found.whole}"
    return after, [Happened(UPGRADE_FAILED, message, warning=True)]

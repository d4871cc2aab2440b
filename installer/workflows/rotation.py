"""Other authorities for the manager, or for a cluster, in stages: a command that is repeated goes on where it was."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lightkube import ApiError
from lightkube.resources.core_v1 import Secret as SecretResource
from lightkube.types import PatchType

from installer.core import clock
from installer.core.errors import InfrastructureError, KubernetesError
from installer.engine.events import Note, StepReport
from installer.engine.plan import Plan, StepId, Target
from installer.engine.runner import RunResult
from installer.kubernetes import client, cluster_status, hosted, roots, rotation
from installer.kubernetes.client import ClusterResource
from installer.kubernetes.roots import Stage
from installer.workflows import clusters, dedicated_hosts, manager_trust, preview, runs, up
from installer.workflows.session import Session
from installer.workflows.steps.change_host import ChangeHost

COMMAND: Final = "moorage certs rotate"
_CLUSTER_TIMEOUT_S: Final = 900


def next_plan(session: Session) -> Plan:
    """What changes when the manager enters its next stage, by facts as they are now. Nothing enters it."""
    before = session.provided
    if before is None:
        raise InfrastructureError("the platform does not exist yet", hint="`moorage up` makes it")
    days = session.platform.spec.certificates.authority_days
    session.provide(replace(before, roots=rotation.advanced(before.roots, days=days)))
    try:
        return preview.preview(session)
    finally:
        session.provide(before)


def rotate(session: Session, *, hold: bool = False) -> RunResult:
    """Take the manager's authorities from stage to stage, each by an `up`; first that of the stage they are in.

    So one that was cut off, or held, is brought to its end, and begins no other. `hold`: stop once both are trusted.
    """
    result = _follow(session)
    while not (hold and session.roots.stage is Stage.TRUST):
        entered = _enter(session, rotation.after(session.roots.stage))
        if entered is Stage.SETTLED:
            break
        followed = _follow(session)
        result = RunResult(changed=True, seconds=result.seconds + followed.seconds)
    return result


def _enter(session: Session, stage: Stage) -> Stage:
    with runs.locked(session, COMMAND):
        session.provide(session.infrastructure.enter(stage, lambda event: None))
    session.reporter.report(Note(f"authorities of the manager: {told(stage)}"))
    return stage


def _follow(session: Session) -> RunResult:
    """All of the manager comes to the stage that its authorities are in."""
    result = up.up(session, command=COMMAND)
    if session.roots.stage is not Stage.SETTLED:
        manager_trust.await_followed(session, lambda reason: None)
    return result


def told(stage: Stage) -> str:
    """A stage for people."""
    return f"stage {stage}: {rotation.SAID[stage]}" if stage else "settled"


def rotate_cluster(
    session: Session,
    name: str,
    *,
    hold: bool = False,
    wait: bool = True,
    waiting: Callable[[str], None] = lambda reason: None,
    now: datetime | None = None,
) -> Stage:
    """Ask the controller for other authorities of a cluster, or to go on where it is held; returns the stage.

    With `wait`, once it is through, or held; raises WaitTimeoutError.
    """
    found = clusters.find(session, name)
    if found is None:
        raise KubernetesError(f"there is no cluster {name}", hint="`moorage cluster list`")
    stage, followed = _cluster_stage(session, name)
    asked = (found["metadata"].get("annotations") or {}).get(hosted.ROTATE, "")
    if stage is Stage.SETTLED and asked in ("", followed):
        asked = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    change = {"metadata": {"annotations": {hosted.ROTATE: asked or None, hosted.HOLD: "true" if hold else None}}}
    with client.translated(f"ask for other authorities of cluster {name}"):
        session.api.patch(ClusterResource, name, change, patch_type=PatchType.MERGE)
    if wait:
        _await_cluster(session, name, asked, hold=hold, waiting=waiting)
    return _cluster_stage(session, name)[0]


def _await_cluster(session: Session, name: str, asked: str, *, hold: bool, waiting: Callable[[str], None]) -> None:
    said = ""

    def unfinished() -> str | None:
        nonlocal said
        stage, followed = _cluster_stage(session, name)
        conditions = {one.type: one for one in clusters.describe(session, name).conditions}
        condition = conditions.get(cluster_status.AUTHORITIES_SETTLED)
        if hold and stage is Stage.TRUST and condition is not None and condition.reason == "Held":
            return None
        if stage is Stage.SETTLED and followed == asked:
            return None
        reason = condition.message if condition else "the controller has not looked at it yet"
        _hosts_follow(session, name, reason)
        if reason != said:
            waiting(reason)
        said = reason
        return reason

    clock.wait_until(
        unfinished,
        what=f"the authorities of cluster {name} are others",
        timeout_s=_CLUSTER_TIMEOUT_S,
        clock=clock.SystemClock(),
        every_s=0.5,
        hint=f"the controller goes on by itself: `moorage cluster describe {name}` says what it waits for",
    )


def _hosts_follow(session: Session, name: str, reason: str) -> None:
    """Bring dedicated hosts to the stage that the controller waits for them with: it has no way there."""
    step = ChangeHost()
    for host in session.hosts:
        if f"host {host} follows" in reason and dedicated_hosts.had(session, host) == name:
            session.forget(host)
            target, report = Target("host", host), StepReport(StepId("rotate", host, "change"), session.reporter.report)
            if step.plan(session, target):
                step.run(session, target, report)
                step.verify(session, target, report)


def _cluster_stage(session: Session, name: str) -> tuple[Stage, str]:
    """The stage that a cluster's authorities are in, and the text that asked for the last rotation that was begun."""
    try:
        with client.translated(f"read the authorities of cluster {name}"):
            found = session.api.get(SecretResource, hosted.ROOTS, namespace=hosted.namespace(name))
    except KubernetesError as exc:
        if isinstance(exc.__cause__, ApiError):
            raise KubernetesError(
                f"cluster {name} has no authorities yet", hint=f"`moorage cluster describe {name}`"
            ) from exc
        raise
    texts = {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}
    return Stage(texts.get(roots.STAGE, "")), texts.get(hosted.ROTATION, "")

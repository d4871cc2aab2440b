"""Step configure-manager: the manager's API answers, its nodes are ready and have their labels and taints, and what
Moorage runs in it is as wanted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import ConfigMap

from installer.core.errors import KubernetesError
from installer.engine.events import StepReport
from installer.engine.plan import Action, Change, Target
from installer.kubernetes import addons, client, speakers
from installer.kubernetes.roots import Stage
from installer.workflows import clusters, host_marks, manager_api, manager_settings, manager_trust
from installer.workflows.registry import STEPS
from installer.workflows.session import BOOTSTRAP_ADMIN, Session


@STEPS.step("configure-manager")
class ConfigureManager:
    """Applied as a whole when its digest is another than the one noted in the manager, or when somebody changed our
    custom resource definitions."""

    title = "set up the manager"

    def plan(self, session: Session, target: Target) -> Sequence[Change]:
        if not session.hosts:
            return (Change(target.name, Action.CREATE, "controller, cluster DNS, custom resources, access rules"),)
        try:
            noted, definitions = _noted(session), _definitions(session)
        except KubernetesError:
            return (Change(target.name, Action.CREATE, "controller, cluster DNS, custom resources, access rules"),)
        changes = [Change(name, Action.UPDATE, str(change)) for name, change in host_marks.due(session).items()]
        if not manager_settings.is_noted(noted, _digest(_documents(session)), definitions):
            what = "controller, cluster DNS, custom resources, access rules"
            changes.insert(0, Change(target.name, Action.UPDATE, what))
        return changes

    def run(self, session: Session, target: Target, report: StepReport) -> None:
        manager_api.await_api(session, report)
        if session.roots.stage is not Stage.SETTLED:  # else pods would start anew with what they had
            manager_trust.await_published(session, report.waiting)
        documents = _documents(session)
        report.progress("applying what runs in the manager")
        client.apply(session.api_as(BOOTSTRAP_ADMIN), documents)
        client.apply(session.api, [manager_settings.note(_digest(documents), _definitions(session))])

    def verify(self, session: Session, target: Target, report: StepReport) -> None:
        manager_api.await_nodes(session, report)
        host_marks.set_due(session)
        clusters.await_bundle(session, report.waiting)


def _documents(session: Session) -> list[dict[str, Any]]:
    return [*addons.manager(manager_settings.of(session)), *speakers.access()]


def _digest(documents: Sequence[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(documents, sort_keys=True).encode()).hexdigest()


def _noted(session: Session) -> Mapping[str, str]:
    with client.translated("read the manager's settings"):
        for found in session.api.list(ConfigMap, namespace="moorage-system"):
            if client.name_of(found) == manager_settings.NOTE:
                return found.data or {}
    return {}


def _definitions(session: Session) -> dict[str, int]:
    with client.translated("read the custom resource definitions"):
        return manager_settings.generations(session.api.list(CustomResourceDefinition))

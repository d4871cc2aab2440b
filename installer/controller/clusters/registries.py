"""The registries of a cluster: one Secret for all of its node pods, followed while they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType

from installer.controller.manager_api import FIELD_MANAGER, Api, meta_of
from installer.controller.status import Condition
from installer.kubernetes import client, documents, hosted, node_pod, registries
from installer.kubernetes.registries import Login
from installer.spec import registries as wanted
from installer.spec.cluster import Cluster

_READY: Final = "RegistriesReady"
# On node pods. A kubelet looks at a pod's Secrets once a minute, and at once when the pod's annotations change.
_DIGEST: Final = "moorage.dev/registries"


class Registries:
    """Of one cluster."""

    def __init__(self, name: str, api: Api) -> None:
        self._namespace = hosted.namespace(name)
        self._labels = hosted.labels(name, node_pod.PART)
        self._api = api
        self._told: str | None = None  # the digest that nodes were told last

    def keep(self, cluster: Cluster) -> Condition | None:
        """Write what nodes read, before there are any; says how that is, None where the cluster names no registry."""
        chosen = cluster.spec.registries
        names = {login.secret for _, login in wanted.logins(chosen)}
        logins = {name: Login.of(self._api.secret(name, self._namespace)) for name in sorted(names)}
        known = {name: login for name, login in logins.items() if login is not None}
        files = registries.files(chosen, known)
        mine = {hosted.CLUSTER_LABEL: cluster.name}
        self._api.apply([documents.secret(registries.NAME, self._namespace, files, labels=mine)])
        digest = documents.digest(files) if files else ""
        if digest != self._told:  # a node that starts later reads what is there then
            self._tell_nodes(digest)
            self._told = digest
        return condition(cluster, known)

    def _tell_nodes(self, digest: str) -> None:
        for pod in self._api.list(Pod, self._namespace, self._labels):
            meta = meta_of(pod)
            if meta.deletionTimestamp is None and (meta.annotations or {}).get(_DIGEST, "") != digest:
                with client.translated(f"tell node pod {meta.name} of its registries"):
                    self._api.client.patch(
                        Pod,
                        meta.name,
                        {"metadata": {"annotations": {_DIGEST: digest}}},
                        namespace=self._namespace,
                        patch_type=PatchType.MERGE,
                        field_manager=FIELD_MANAGER,
                    )


def condition(cluster: Cluster, known: Mapping[str, Login]) -> Condition | None:
    """Whether all logins are there; None where the cluster names no registry."""
    chosen = cluster.spec.registries
    if not chosen:
        return None
    where = hosted.namespace(cluster.name)
    lacking = [(server, login.secret) for server, login in wanted.logins(chosen) if login.secret not in known]
    if not lacking:
        return Condition(_READY, True, "Ready", ", ".join(registry.name for registry in chosen))
    told = [f"{server}: Secret {secret} in namespace {where} lacks username or password" for server, secret in lacking]
    make = f"`kubectl -n {where} create secret generic {lacking[0][1]} --from-file=username --from-file=password`"
    return Condition(_READY, False, "LoginMissing", f"{'; '.join(told)}; {make} in the manager")

"""The Secrets that node pods read: renewed in place, one that was deleted made anew, one without a pod deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from lightkube.resources.core_v1 import Pod
from lightkube.resources.core_v1 import Secret as SecretResource

from installer.controller.clusters.nodes import Place
from installer.controller.manager_api import Api, meta_of
from installer.controller.status import Happened
from installer.core.secret import Secret
from installer.kubernetes import documents, hosted, node_pod
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster

# Certificates live a year; a Secret deleted by hand is missed only when the node pod starts again.
_EVERY_S: Final = 60.0


class NodeSecrets:
    """Of one cluster."""

    def __init__(
        self, name: str, api: Api, settings: PlatformSettings, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._namespace = hosted.namespace(name)
        self._labels = hosted.labels(name, node_pod.PART)
        self._api = api
        self._settings = settings
        self._now = now
        self._next = 0.0
        self._followed = ""  # the authorities of the last look

    def keep(self, cluster: Cluster, place: Place, *, signs: bool) -> list[Happened]:
        """Look once a minute; apply what is missing or due, delete what nobody reads.

        Other authorities are brought to nodes once `signs`: the control plane has them, and nodes ask it for some of
        their certificates.
        """
        followed = place.roots.marker if signs else self._followed
        if self._now() < self._next and followed == self._followed:
            return []
        seen = {
            meta_of(secret).name: documents.entries(secret.data)
            for secret in self._api.list(SecretResource, self._namespace, self._labels)
        }
        pods = self._api.list(Pod, self._namespace, self._labels)
        # Secrets come before their pods and go after them: whoever ended in between has left one.
        for name in sorted(seen.keys() - {meta_of(pod).name for pod in pods}):
            self._api.delete(SecretResource, name, self._namespace)
        happened = []
        for pod in pods:
            meta = meta_of(pod)
            if meta.deletionTimestamp is None:
                pool = (meta.labels or {}).get(node_pod.POOL_LABEL, "")
                entries = seen.get(meta.name, {})
                if signs or not entries or node_pod.follows(entries, place.roots):
                    happened += self._keep(cluster, pool, meta.name, place, entries)
        self._next, self._followed = self._now() + _EVERY_S, followed
        return happened

    def _keep(self, cluster: Cluster, pool: str, name: str, place: Place, seen: Mapping[str, Secret]) -> list[Happened]:
        chosen = next((one for one in cluster.spec.shared_pools if one.name == pool), None)
        if chosen is None:  # it is taken away
            return []
        make = partial(node_pod.renewed, seen=seen) if seen else node_pod.secret_document
        wanted = make(cluster, chosen, name, address=place.address, settings=self._settings, roots=place.roots)
        if wanted is None:
            return []
        self._api.apply([wanted])
        if not seen:
            return [Happened("NodeSecretRestored", f"node {name}: its Secret was gone", warning=True)]
        if not node_pod.follows(seen, place.roots):  # the kubelet of its host looks at once
            change = {"metadata": {"annotations": {node_pod.AUTHORITIES: place.roots.marker}}}
            self._api.patch(Pod, name, self._namespace, change)
        return [Happened("NodeCertificatesRenewed", f"node {name}")]

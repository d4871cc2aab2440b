"""Elections of a control plane whose leader's pod has ended: its lease is let go of, so that nobody waits for it.

Kubernetes' controller managers and schedulers keep theirs when they end, and the next begins when it has run out: until
then no node gets addresses, no pod is made or bound.
https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
"""

from __future__ import annotations

from typing import Final

from lightkube.resources.coordination_v1 import Lease as LeaseResource
from lightkube.resources.core_v1 import Node, Pod

from installer.controller.manager_api import Api, is_ready, meta_of
from installer.core.errors import KubernetesError
from installer.kubernetes import hosted, lease

_ELECTED: Final = ("kube-controller-manager", "kube-scheduler")
_NAMESPACE: Final = "kube-system"
_ENDED: Final = {"Failed", "Succeeded"}


class Leaders:
    """Of one cluster. What it forgets, such as where a pod was, costs the time that the election takes by itself."""

    def __init__(self, name: str, api: Api) -> None:
        self._name = name
        self._api = api
        self._due = True
        self._hosts: dict[str, str] = {}  # of each pod of the control plane, also after it is gone

    def changed(self) -> None:
        """One of its pods is another. May be called from any thread."""
        self._due = True

    def release(self, inside: Api) -> None:
        """Let go of what is held by pods that have ended, in the cluster's own API. Raises KubernetesError."""
        if not self._due:
            return
        self._due = False
        try:
            self._release(inside)
        except KubernetesError:
            self._due = True
            raise

    def _release(self, inside: Api) -> None:
        pods = self._api.list(Pod, hosted.namespace(self._name), hosted.labels(self._name, hosted.CONTROL_PLANE))
        self._hosts |= {meta_of(pod).name: pod.spec.nodeName for pod in pods if pod.spec and pod.spec.nodeName}
        running = {meta_of(pod).name for pod in pods if not (pod.status and pod.status.phase in _ENDED)}
        ended = {pod: host for pod, host in self._hosts.items() if pod not in running}
        for name in _ELECTED if ended else ():
            found = inside.get(LeaseResource, name, _NAMESPACE)
            holder = (found.spec.holderIdentity or "") if found and found.spec else ""
            pod = holder.rpartition("_")[0]  # a hostname and a random part
            if pod in ended and self._answers(ended[pod]):
                lease.Lease(inside.client, name, _NAMESPACE, holder, duration_s=0).release()
        for pod in ended:
            del self._hosts[pod]

    def _answers(self, host: str) -> bool:
        """Whether anybody can know what has ended there: what was given up may run on on a host that is cut off."""
        node = self._api.get(Node, host)
        return node is not None and is_ready(node)

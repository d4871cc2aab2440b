"""Which members all API servers know of that read from a datastore."""

from __future__ import annotations

from typing import Any, cast

import pytest
from lightkube.resources.apps_v1 import Deployment

from installer.controller.datastores import readers
from installer.controller.manager_api import Api

ADDRESSES = {"shared-0": "10.127.0.20", "shared-1": "10.127.0.21"}
OLD, NEW = "https://10.127.0.20:2379", "https://10.127.0.20:2379,https://10.127.0.21:2379"
WHOLE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}


def _plane(servers: str, **status: Any) -> Deployment:
    command = ["kube-apiserver", f"--etcd-servers={servers}", "--port=1"]
    pod = {"metadata": {}, "spec": {"containers": [{"name": "kube-apiserver", "command": command}]}}
    spec = {"replicas": 2, "selector": {}, "template": pod}
    return Deployment.from_dict({"metadata": {"generation": 2}, "spec": spec, "status": {**WHOLE, **status}})


@pytest.mark.parametrize(
    ("planes", "told"),
    [
        ([], {"shared-0", "shared-1"}),
        ([None], {"shared-0", "shared-1"}),
        ([_plane(NEW), _plane(NEW)], {"shared-0", "shared-1"}),
        ([_plane(NEW), _plane(OLD)], {"shared-0"}),
        ([_plane(NEW), _plane("https://10.127.0.99:2379")], {"shared-0", "shared-1"}),  # it reads from another
        ([_plane(NEW, updatedReplicas=1, replicas=3)], set()),
        ([_plane(NEW, observedGeneration=1)], set()),
        ([_plane(NEW, readyReplicas=1)], set()),
    ],
)
def test_who_is_told_of(planes: list[Deployment | None], told: set[str]) -> None:
    """By what all pods of every control plane were started with; what is still being replaced counts for nothing."""

    class Manager:
        def get(self, kind: type, name: str, namespace: str) -> Deployment | None:
            return planes[int(namespace.removeprefix("cluster-"))]

    clusters = [str(number) for number in range(len(planes))]
    assert readers.told(cast(Api, Manager()), clusters, ADDRESSES) == told

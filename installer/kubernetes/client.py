"""A Kubernetes API as the installer and the controller use it: lightkube, with our errors and server-side apply."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
from lightkube import ApiError, Client, KubeConfig, codecs
from lightkube.config.models import Cluster, User
from lightkube.core import resource
from lightkube.generic_resource import Generic, create_global_resource

from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes.pki import Credential

FIELD_MANAGER = "moorage"
_TIMEOUT = httpx2.Timeout(10.0, connect=2.0)

# Our own custom resources, as classes that lightkube can use.
ClusterResource: Any = create_global_resource("moorage.dev", "v1", "Cluster", "clusters")
DatastoreResource: Any = create_global_resource("moorage.dev", "v1", "Datastore", "datastores")


class NodeSummary(resource.GlobalSubResource, Generic):  # type: ignore[misc]  # lightkube's Generic is untyped
    """What a node's kubelet measured last: https://kubernetes.io/docs/reference/instrumentation/node-metrics/."""

    _api_info = resource.ApiInfo(
        resource=resource.ResourceDef("", "v1", "Node"),
        parent=resource.ResourceDef("", "v1", "Node"),
        plural="nodes",
        verbs=["get"],
        action="proxy/stats/summary",
    )


class ApiUnavailableError(KubernetesError, RetryableError):
    """No API server answered."""


def connect(servers: Sequence[str], *, ca_pem: str, credential: Credential) -> Client:
    """A client of the first of `servers` (https URLs) that says it is ready; raises ApiUnavailableError."""
    reasons = []
    for server in servers:
        if (reason := not_ready(server, ca_pem)) is None:
            return Client(_config(server, ca_pem, credential), timeout=_TIMEOUT, trust_env=False)
        reasons.append(f"{server}: {reason}")
    raise ApiUnavailableError(
        "no API server answers",
        last_lines=reasons,
        cause="the hosts are down, still starting, or a firewall is in between",
        hint="`moorage status`; on a manager host: `systemctl status kube-apiserver`",
    )


def not_ready(server: str, ca_pem: str) -> str | None:
    """None when the API server says it is ready, or why not; health is the one thing it tells without a login."""
    try:
        response = httpx2.get(
            f"{server}/readyz", verify=ssl.create_default_context(cadata=ca_pem), timeout=_TIMEOUT, trust_env=False
        )
    except httpx2.HTTPError as exc:
        return str(exc) or type(exc).__name__
    return None if response.is_success else f"/readyz says {response.status_code}"


def apply(client: Client, documents: Iterable[Mapping[str, Any]], *, field_manager: str = FIELD_MANAGER) -> None:
    """Server-side apply of every document, in order; what others set in fields of ours is taken back."""
    for document in documents:
        meta = document["metadata"]
        with translated(f"apply {document['kind']} {meta['name']}"):
            client.apply(codecs.from_dict(dict(document)), field_manager=field_manager, force=True)


def name_of(resource: Any) -> str:
    """The name of an object that an API server handed out: those always have one."""
    if resource.metadata is None or resource.metadata.name is None:
        raise KubernetesError(f"the API server answered with a {type(resource).__name__} without a name")
    return str(resource.metadata.name)


@contextmanager
def translated(act: str) -> Iterator[None]:
    """Errors of the client as ours, saying which `act` failed."""
    try:
        yield
    except ApiError as exc:
        raise KubernetesError(
            f"{act}: {exc.status.message}", cause=f"the API server refused it: {exc.status.reason}"
        ) from exc
    except httpx2.HTTPError as exc:
        raise ApiUnavailableError(
            f"{act}: no answer: {exc or type(exc).__name__}", hint="`moorage status`, then repeat"
        ) from exc


def _config(server: str, ca_pem: str, credential: Credential) -> KubeConfig:
    return KubeConfig.from_one(
        cluster=Cluster(server=server, certificate_auth_data=_b64(ca_pem)),
        user=User(
            client_cert_data=_b64(credential.cert_pem),
            client_key_data=_b64(credential.key_pem.reveal()),
        ),
    )


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

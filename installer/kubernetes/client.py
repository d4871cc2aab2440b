"""A Kubernetes API as the installer and the controller use it: lightkube, with our errors and server-side apply."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.models import Cluster, User
from lightkube.core import resource
from lightkube.generic_resource import Generic, create_global_resource, create_namespaced_resource

from installer.core.errors import KubernetesError, RetryableError
from installer.kubernetes import kinds
from installer.kubernetes.pki import Credential

T = TypeVar("T")
FIELD_MANAGER = "moorage"
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 2.0)
_TIMEOUT = httpx2.Timeout(10.0, connect=2.0)

# Our own custom resources, as classes that lightkube can use.
ClusterResource: Any = create_global_resource("moorage.dev", "v1", "Cluster", "clusters")
DatastoreResource: Any = create_global_resource("moorage.dev", "v1", "Datastore", "datastores")
# MetalLB's, of which the controller writes some.
AddressPoolResource: Any = create_namespaced_resource("metallb.io", "v1beta1", "IPAddressPool", "ipaddresspools")
AdvertisementResource: Any = create_namespaced_resource("metallb.io", "v1beta1", "L2Advertisement", "l2advertisements")


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
    """A client of the first of `servers` (https URLs) that says it is ready; raises ApiUnavailableError.

    Should that one go away later, requests go to the others.
    """
    reasons = []
    for server in servers:
        if (reason := not_ready(server, ca_pem)) is None:
            others = [other for other in servers if other != server]
            return client_of(_config(server, ca_pem, credential), others=others)
        reasons.append(f"{server}: {reason}")
    raise ApiUnavailableError(
        "no API server answers",
        last_lines=reasons,
        cause="the hosts are down, still starting, or a firewall is in between",
        hint="`moorage status`; on a manager host: `systemctl status kube-apiserver`",
    )


def client_of(config: KubeConfig, *, others: Sequence[str] = (), field_manager: str = FIELD_MANAGER) -> Client:
    """A client of the server that a configuration names, or of `others` (https URLs) while that one is not reached.

    It may be used by several threads.
    """
    kinds.make_ready()
    single = config.get()
    if single is None or single.user is None:
        raise KubernetesError("the configuration names no API server, or nobody who logs in")
    verify = verify_cluster(single.cluster, single.user, single.abs_file, trust_env=False)
    transport = Patient(httpx2.HTTPTransport(verify=verify, trust_env=False), [single.cluster.server, *others])
    return Client(config, timeout=_TIMEOUT, trust_env=False, field_manager=field_manager, transport=transport)


class Patient(httpx2.BaseTransport):
    """Finds an API server that answers.

    A request that could not be sent goes to the next server, and so does a read that got no answer. A read that was
    answered with 429 and Retry-After is repeated: an API server that says it is ready still does so for custom
    resources, whose storage it opens when somebody asks for them.
    """

    def __init__(
        self, inner: httpx2.BaseTransport, servers: Sequence[str], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._inner = inner
        self._servers = [httpx2.URL(server) for server in servers]
        self._sleep = sleep

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, or the last refusal after some seconds; raises httpx2.TransportError when no server answers."""
        for pause in _PAUSES_S:
            response = self._send(request)
            busy = response.status_code == HTTPStatus.TOO_MANY_REQUESTS and "Retry-After" in response.headers
            if request.method != "GET" or not busy:
                return response
            response.close()
            self._sleep(pause)
        return self._send(request)

    def close(self) -> None:
        """Close its connections."""
        self._inner.close()

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        first, *others = list(self._servers)
        for server in (first, *others):
            try:
                response = self._inner.handle_request(_to(server, request))
            except httpx2.TransportError as exc:
                if server == (first, *others)[-1] or not _may_be_repeated(request, exc):
                    raise
                continue
            if server != first:  # the one that answered is asked first from now on
                self._servers = [server, *(other for other in (first, *others) if other != server)]
            return response
        raise AssertionError("there is at least one server")


def _to(server: httpx2.URL, request: httpx2.Request) -> httpx2.Request:
    """The request to another server."""
    url = request.url.copy_with(scheme=server.scheme, host=server.host, port=server.port)
    given = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    headers = [(b"Host", server.netloc), *given]
    return httpx2.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)


def _may_be_repeated(request: httpx2.Request, exc: httpx2.TransportError) -> bool:
    """A request that was never sent, or one that changes nothing."""
    return request.method == "GET" or isinstance(exc, httpx2.ConnectError | httpx2.ConnectTimeout)


def watcher(server: str, *, ca_pem: str, credential: Credential) -> AsyncClient:
    """A client for an event loop; whether `server` answers shows when it is asked."""
    kinds.make_ready()
    return AsyncClient(_config(server, ca_pem, credential), timeout=_TIMEOUT, trust_env=False)


def not_ready(server: str, ca_pem: str) -> str | None:
    """None when the API server says it is ready, or why not; health is the one thing it tells without a login."""
    try:
        response = httpx2.get(
            f"{server}/readyz", verify=ssl.create_default_context(cadata=ca_pem), timeout=_TIMEOUT, trust_env=False
        )
    except httpx2.HTTPError as exc:
        return str(exc) or type(exc).__name__
    return None if response.is_success else f"/readyz says {response.status_code}"


def metrics(server: str, *, ca_pem: str, credential: Credential) -> str:
    """What an API server measures of itself, as text; raises ApiUnavailableError, or KubernetesError when refused."""
    single = _config(server, ca_pem, credential).get()
    if single is None or single.user is None:
        raise KubernetesError("the configuration names no API server, or nobody who logs in")
    verify = verify_cluster(single.cluster, single.user, single.abs_file, trust_env=False)
    with translated(f"read the metrics of {server}"):
        answer = httpx2.get(f"{server}/metrics", verify=verify, timeout=_TIMEOUT, trust_env=False)
    if answer.status_code != HTTPStatus.OK:
        raise KubernetesError(f"read the metrics of {server}: it says {answer.status_code}")
    return str(answer.text)


def apply(client: Client, documents: Iterable[Mapping[str, Any]], *, field_manager: str = FIELD_MANAGER) -> None:
    """Server-side apply of every document, in order; what others set in fields of ours is taken back."""
    for document in documents:
        meta = document["metadata"]
        with translated(f"apply {document['kind']} {meta['name']}"):
            client.apply(codecs.from_dict(dict(document)), field_manager=field_manager, force=True)


def would_be(client: Client, document: Mapping[str, Any], *, field_manager: str = FIELD_MANAGER) -> dict[str, Any]:
    """The object as `apply` would leave it, by the API server's word; nothing is changed."""
    with translated(f"see what would become of {document['kind']} {document['metadata']['name']}"):
        wanted = codecs.from_dict(dict(document))
        found: Any = client.apply(wanted, field_manager=field_manager, force=True, dry_run=True)
    return dict(found.to_dict())


def name_of(resource: Any) -> str:
    """The name of an object that an API server handed out: those always have one."""
    if resource.metadata is None or resource.metadata.name is None:
        raise KubernetesError(f"the API server answered with a {type(resource).__name__} without a name")
    return str(resource.metadata.name)


def found_or_none(call: Callable[[], T], act: str = "ask the API") -> T | None:
    """The answer, or None where the API says that there is no such object; raises KubernetesError for the rest.

    `act`: what is done, for that error.
    """
    try:
        with translated(act):
            return call()
    except KubernetesError as exc:
        if isinstance(exc.__cause__, ApiError) and exc.__cause__.status.code == HTTPStatus.NOT_FOUND:
            return None
        raise


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

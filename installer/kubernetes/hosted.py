"""A tenant's control plane in the manager: one namespace a cluster, with everything of it inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from installer.core import layout
from installer.core.secret import Secret
from installer.kubernetes import addons, control_plane, documents, egress, issue, kubeconfig, pki, placing
from installer.kubernetes.documents import Document
from installer.kubernetes.rendering import Process, Rendered
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from installer.spec.cluster import Cluster
from installer.spec.cluster_settings import ApiServer

CONTROL_PLANE: Final = "control-plane"  # Service, Deployment and Secret
NODE: Final = "node"  # the part that node pods are
ROOTS: Final = "roots"
ROTATION: Final = "rotation"  # entry of that Secret: the text that asked for the last rotation that was begun
ADMIN_KUBECONFIG: Final = "admin-kubeconfig"
# Annotations of a Cluster: any text, another one asks for other authorities; and whether both stay trusted meanwhile.
ROTATE: Final = "moorage.dev/rotate-authorities"
HOLD: Final = "moorage.dev/hold-authorities"
API_PORT: Final = 6443
CLUSTER_LABEL: Final = "moorage.dev/cluster"
ROLE_LABEL: Final = "moorage.dev/part"
_CONFIG: Final = "moorage.dev/config"
_MOVED: Final = "moorage.dev/moved"
PROGRESS_S: Final = 120  # an API server that has not started until then is begun anew; a slower one never serves
_USER: Final = 65532  # nobody in particular; owns nothing on any host
_THREADS: Final = {"kube-apiserver": "2"}  # that run Go at a time; each more costs wake-ups, also when idle
# Per cent of what lives that may be garbage before it is collected; Go's default is 100. Most of an idle control plane
# is what its start left behind.
_GARBAGE: Final = "50"
_REQUESTS: Final = {
    "kube-apiserver": {"cpu": "50m", "memory": "160Mi"},
    "kube-controller-manager": {"cpu": "15m", "memory": "40Mi"},
    "kube-scheduler": {"cpu": "10m", "memory": "25Mi"},
    egress.NAME: {"cpu": "2m", "memory": "8Mi"},
}


def namespace(cluster: str) -> str:
    """The namespace that holds all of a cluster."""
    return f"cluster-{cluster}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a control plane is reached and where its data is; known once its Service and its datastore are."""

    address: str  # ClusterIP of the Service
    node_port: int
    egress: str  # ClusterIP of the Service that leads to the nodes
    etcd_servers: tuple[str, ...]
    etcd_ca: str  # of the datastore
    etcd_user: str
    etcd_prefix: str
    region: str = ""  # where that datastore is; empty: anywhere


def labels(cluster: str, part: str) -> dict[str, str]:
    """Labels of everything that belongs to one part of a cluster."""
    return {CLUSTER_LABEL: cluster, ROLE_LABEL: part}


def namespace_document(cluster: str) -> Document:
    """The namespace; node pods in it are privileged."""
    enforce = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace(cluster), "labels": {CLUSTER_LABEL: cluster, **enforce}},
    }


def service(cluster: str) -> Document:
    """The one stable address of a cluster's API: a ClusterIP inside, a port on every host outside."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": CONTROL_PLANE, "namespace": namespace(cluster), "labels": {CLUSTER_LABEL: cluster}},
        "spec": {
            "type": "NodePort",
            "selector": labels(cluster, CONTROL_PLANE),
            "ports": [{"name": "api", "port": API_PORT, "targetPort": API_PORT, "protocol": "TCP"}],
        },
    }


def egress_service(cluster: str) -> Document:
    """The address that leads the control plane to any node of its cluster."""
    return egress.service(namespace(cluster), {CLUSTER_LABEL: cluster}, labels(cluster, NODE))


def rendered(cluster: Cluster, place: Place, settings: PlatformSettings, roots: Roots) -> Rendered:
    """Processes, files and certificate requests of the control plane."""
    network, chosen = cluster.spec.network, cluster.spec.control_plane.api_server
    in_manager = f"{CONTROL_PLANE}.{namespace(cluster.name)}"
    plane = control_plane.ControlPlane(
        version=cluster.spec.version,
        advertise_address=place.address,
        port=API_PORT,
        names=(place.address, in_manager, f"{in_manager}.svc", *settings.endpoints, *chosen.extra_names),
        etcd_servers=place.etcd_servers,
        etcd_user=place.etcd_user,
        etcd_prefix=place.etcd_prefix,
        pods=network.pods,
        services=network.services,
        domain=network.domain,
        # Also with one replica: while pods are replaced, or a host is cut off, there are two.
        manages_endpoints=False,
        probe_address="0.0.0.0",  # noqa: S104 - the kubelet probes it; it tells nobody else anything without a login
        audit_log="-" if chosen.audit_log else None,
        # Its Service leads to it until every host's kube-proxy has heard that it goes: one second, and some to spare.
        shutdown_delay="3s",
        extra_args=_flags(chosen),
    )
    return control_plane.render(plane, roots) | egress.beside_api_server(network, place.egress)


def _flags(chosen: ApiServer) -> dict[str, str]:
    """The API server's flags for its way to nodes, and for what the cluster's owner has set."""
    options = {
        "event-ttl": chosen.event_ttl,
        "max-requests-inflight": chosen.max_requests_inflight,
        "max-mutating-requests-inflight": chosen.max_mutating_requests_inflight,
        "default-not-ready-toleration-seconds": chosen.not_ready_toleration_seconds,
        "default-unreachable-toleration-seconds": chosen.unreachable_toleration_seconds,
    }
    fixed = {
        "enable-admission-plugins": ",".join((control_plane.NODE_RESTRICTION, *chosen.admission_plugins)),
        "egress-selector-config-file": egress.SELECTOR_CONFIG,
    }
    return fixed | {name: str(value) for name, value in options.items() if value is not None}


def control_plane_documents(
    cluster: Cluster,
    place: Place,
    settings: PlatformSettings,
    roots: Roots,
    *,
    datastore: pki.CertificateAuthority,
    seen: Mapping[str, Secret],
    moved: str = "",
) -> list[Document]:
    """The Secret and the Deployment; `seen` is what the Secret holds now, so that fitting certificates stay.

    `moved`: when its pods were last to leave a host, RFC 3339.
    """
    plane = rendered(cluster, place, settings, roots)
    files = documents.below(control_plane.CONFIG, plane.files)
    files["etcd-ca.crt"] = place.etcd_ca
    # The datastore is another cluster's etcd: its authority, not this cluster's, signs the client certificate.
    authorities = {**roots.authorities, "etcd": datastore}
    issued = issue.issue(plane.certificates, authorities, documents.certificates(control_plane.CONFIG, seen))
    for stem in issued.kept:
        name = stem.removeprefix(f"{control_plane.CONFIG}/")
        files |= {f"{name}.crt": seen[f"{name}.crt"], f"{name}.key": seen[f"{name}.key"]}
    files |= documents.credential_files(control_plane.CONFIG, issued.new)
    where = namespace(cluster.name)
    return [
        documents.secret(CONTROL_PLANE, where, files, labels={CLUSTER_LABEL: cluster.name}),
        _deployment(cluster, settings, plane, files, moved=moved, home=_home(place.region, settings)),
    ]


def moved(annotations: Mapping[str, str] | None) -> str:
    """When the pods of a control plane, with these annotations of their template, were last to leave a host."""
    return (annotations or {}).get(_MOVED, "")


def admin_kubeconfig(
    cluster: str,
    place: Place,
    settings: PlatformSettings,
    roots: Roots,
    *,
    seen: Mapping[str, Secret],
    now: datetime | None = None,
) -> Document | None:
    """The Secret with a kubeconfig for the cluster's administrator, to be used from outside.

    None where the one that is `seen` still serves. One that is renewed before its end goes on working until then.
    """
    authority, subject = roots.authorities["kubernetes"], pki.Subject(f"{cluster}-admin", (control_plane.ADMIN_GROUP,))
    certificate = kubeconfig.certificate_of(seen["kubeconfig"]) if "kubeconfig" in seen else ""
    trusted = kubeconfig.authority_of(seen["kubeconfig"]) if "kubeconfig" in seen else ""
    if pki.fits(certificate, subject, authority, now=now) and trusted == authority.trusted:
        return None
    text = kubeconfig.embedded(
        server=f"https://{settings.endpoints[0]}:{place.node_port}",
        ca_pem=authority.trusted,
        credential=authority.issue(subject, now=now),
        context=cluster,
        user=subject.common_name,
    )
    return documents.secret(ADMIN_KUBECONFIG, namespace(cluster), {"kubeconfig": text}, labels={CLUSTER_LABEL: cluster})


def _deployment(
    cluster: Cluster,
    settings: PlatformSettings,
    plane: Rendered,
    files: Mapping[str, str | Secret],
    *,
    moved: str,
    home: Mapping[str, Any],
) -> Document:
    mine = labels(cluster.name, CONTROL_PLANE)
    # What is read only at start decides when pods are replaced; the rest is read again while they run.
    at_start = {path for process in plane.processes for path in process.reads}
    config = documents.digest(*(files[path.rpartition("/")[2]] for path in sorted(at_start)))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": CONTROL_PLANE, "namespace": namespace(cluster.name), "labels": mine},
        "spec": {
            "replicas": cluster.spec.control_plane.replicas,
            "progressDeadlineSeconds": PROGRESS_S,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": mine},
            "template": {
                "metadata": {"labels": mine, "annotations": {_CONFIG: config, **({_MOVED: moved} if moved else {})}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 15,
                    "tolerations": [
                        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
                        *placing.waits_on_lost_hosts(),
                    ],
                    "topologySpreadConstraints": placing.spread(mine),
                    **home,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": _USER,
                        "runAsGroup": _USER,
                        "fsGroup": _USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [_container(process, settings) for process in plane.processes],
                    "volumes": [
                        addons.release_volume(settings.bundle),
                        {"name": "config", "secret": {"secretName": CONTROL_PLANE, "defaultMode": 0o440}},
                        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                    ],
                },
            },
        },
    }


def _home(region: str, settings: PlatformSettings) -> dict[str, dict[str, Any]]:
    """Where its data is: in one region, or in some with managers, which others than theirs are far from."""
    with_managers = [name for name, one in settings.regions.items() if one.managers]
    return placing.affinity(regions=(region,)) if region else placing.affinity(rather=with_managers)


def _container(process: Process, settings: PlatformSettings) -> dict[str, Any]:
    return {
        "name": process.name,
        "image": settings.images["pause"],
        "imagePullPolicy": "Never",
        "command": _command(process),
        "terminationMessagePolicy": "FallbackToLogsOnError",  # its last words reach the cluster's conditions
        "env": documents.environment({"GOMAXPROCS": _THREADS.get(process.name, "1"), "GOGC": _GARBAGE, **process.env}),
        "resources": {"requests": _REQUESTS[process.name]},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *documents.mounts([("release", layout.CURRENT), ("config", control_plane.CONFIG)]),
            *documents.mounts([("run", egress.RUN)] if process.name in egress.USERS else [], read_only=False),
        ],
        **_probes(process.name),
    }


def _command(process: Process) -> list[str]:
    if "kube-apiserver" not in process.after:
        return list(process.argv)
    program = f"{layout.CURRENT}/{layout.BIN}/moorage-host"
    ready = f"https://127.0.0.1:{API_PORT}/readyz"
    return [program, "wait", f"--url={ready}", f"--ca={control_plane.CONFIG}/ca.crt", "--", *process.argv]


def _probes(name: str) -> dict[str, Any]:
    """Readiness decides on traffic, so only the API server has it; the others are watched for being stuck."""
    if name == "kube-apiserver":
        return {
            # Often only until it has started; each probe costs a TLS handshake and a question to etcd.
            "startupProbe": _probe("/readyz", API_PORT, period=1, failures=120),
            "readinessProbe": _probe("/readyz", API_PORT, period=5, failures=2),
            "livenessProbe": _probe("/livez", API_PORT, period=10, failures=6, delay=15),
        }
    ports = {
        "kube-controller-manager": control_plane.CONTROLLER_MANAGER_PORT,
        "kube-scheduler": control_plane.SCHEDULER_PORT,
    }
    return {"livenessProbe": _probe("/healthz", ports[name], period=10, failures=6, delay=15)} if name in ports else {}


def _probe(path: str, port: int, *, period: int, failures: int, delay: int = 0) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTPS"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
        "initialDelaySeconds": delay,
    }

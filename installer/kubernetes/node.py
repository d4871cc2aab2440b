"""A Kubernetes node: containerd, kubelet, kube-proxy, flannel; on a host of the manager and in a node pod alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from installer.core import layout
from installer.kubernetes import kubeconfig
from installer.kubernetes.pki import Subject
from installer.kubernetes.rendering import CertificateRequest, Process, Rendered, flags

CONFIG = f"{layout.CONFIG}/node"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
KUBELET_PORT = 10250
PROXY_HEALTH_PORT = 10256
NETWORK_READY_PORT = 10247  # beside the kubelet's and kube-proxy's own, and nobody's by habit
AUTHORITIES_TOLD = "/run/moorage/authorities"  # which ones processes were started with, told at the same port
FLANNEL_USER = "moorage:flannel"
PROXY_USER = "system:kube-proxy"
CGROUP_V2 = 2
VXLAN_ID, VXLAN_PORT = 1, 8472  # of flannel, in each network: the manager's and every cluster's
WIREGUARD_PORT = 51820  # of flannel, in the manager's network


@dataclass(frozen=True)
class Traits:
    """What facts say of the machine under a node."""

    cgroup_version: int = 2
    nested: bool = False  # inside a container: some kernel settings are not ours to set
    systemd: bool = True  # systemd is PID 1 and owns the cgroup tree
    mtu: int = 1500  # of the interface that carries node traffic

    @property
    def systemd_cgroups(self) -> bool:
        """Whether containers are made through systemd's cgroup driver, which cgroup v2 under systemd wants."""
        return self.systemd and self.cgroup_version == CGROUP_V2 and not self.nested


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One of flannel's: what packets of pods pass through between nodes."""

    config: Mapping[str, str | int]  # in net-conf.json
    overhead: int  # bytes that it takes of each packet
    modules: tuple[str, ...] = ()  # of the kernel, which it needs


# RFC 7348 over IPv4.
VXLAN = Backend(config={"Type": "vxlan", "VNI": VXLAN_ID, "Port": VXLAN_PORT}, overhead=50)
# As https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md#wireguard has it, which leaves room for
# an outer IPv6 header. Firewalls between regions forget who is silent; wg(8) says that 25 s is often enough for any.
WIREGUARD = Backend(
    config={"Type": "wireguard", "ListenPort": WIREGUARD_PORT, "PersistentKeepaliveInterval": 25},
    overhead=80,
    modules=("wireguard",),
)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node and the cluster it belongs to."""

    name: str
    version: str  # Kubernetes, without a leading v
    server: str  # URL of the API server
    ca_pem: str
    pods: IPv4Network
    dns: IPv4Address
    domain: str
    pause_image: str
    traits: Traits
    backend: Backend = VXLAN
    address: str | None = None  # None: known only where it starts (a node pod)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, str], ...] = ()
    reserved: Mapping[str, str] = field(default_factory=dict)  # what of the machine is not the node's
    max_pods: int = 110
    signed_serving: bool = True  # False: the kubelet asks its API server for a serving certificate
    kubelet: Mapping[str, Any] = field(default_factory=dict)  # more of its configuration, by its own names
    kubelet_drop_ins: str | None = None  # directory of more kubelet configuration, written where the node starts
    registries: str = f"{CONFIG}/registries"  # directory in which containerd looks for registries, at each pull
    env: Mapping[str, str] = field(default_factory=dict)
    tells_network_ready: bool = False  # at NETWORK_READY_PORT, whether connections may be led to it
    authorities: str = AUTHORITIES_TOLD  # file with what it tells there of its authorities


def render(node: Node) -> Rendered:
    """Processes, files, certificates and directories of `node`."""
    certificates = {
        f"{CONFIG}/kubelet": CertificateRequest("kubernetes", Subject(f"system:node:{node.name}", ("system:nodes",))),
        f"{CONFIG}/kube-proxy": CertificateRequest("kubernetes", Subject(PROXY_USER)),
        f"{CONFIG}/flannel": CertificateRequest("kubernetes", Subject(FLANNEL_USER)),
    }
    users = {"kubelet": f"system:node:{node.name}", "kube-proxy": PROXY_USER, "flannel": FLANNEL_USER}
    if node.signed_serving:
        names = tuple(n for n in (node.name, node.address) if n)
        certificates[f"{CONFIG}/kubelet-serving"] = CertificateRequest(
            "kubernetes", Subject(f"system:node:{node.name}", ("system:nodes",), names, server=True, client=False)
        )
    return Rendered(
        processes=(_containerd(node), _kubelet(node), _proxy(node), _flannel(node)),
        files={
            f"{CONFIG}/ca.crt": node.ca_pem,
            f"{CONFIG}/containerd.toml": _containerd_config(node),
            f"{CONFIG}/cni.template": _cni_template(node),
            f"{CONFIG}/kubelet.json": _json(_kubelet_config(node)),
            f"{CONFIG}/kube-proxy.json": _json(_proxy_config(node)),
            f"{CONFIG}/flannel.json": _json(_flannel_config(node)),
            **{f"{CONFIG}/{name}.kubeconfig": _kubeconfig(node, name, user) for name, user in users.items()},
        },
        certificates=certificates,
        directories=("/var/lib/kubelet", "/var/lib/containerd", f"{layout.CONFIG}/cni"),
        modules=node.backend.modules,
    )


def _containerd(node: Node) -> Process:
    return Process(
        name="containerd",
        description="containerd, runs containers",
        argv=(f"{_bin()}/containerd", "--config", f"{CONFIG}/containerd.toml"),
        env={**node.env, "PATH": f"{_bin()}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        notifies=True,
        reads=(f"{CONFIG}/containerd.toml", f"{CONFIG}/cni.template"),
        delegates_cgroups=True,
    )


def _kubelet(node: Node) -> Process:
    argv = flags(
        {
            "config": f"{CONFIG}/kubelet.json",
            "config-dir": node.kubelet_drop_ins,
            "kubeconfig": f"{CONFIG}/kubelet.kubeconfig",
            "hostname-override": node.name,
            "node-ip": node.address,
            # Of cAdvisor: how often it reads what each cgroup has used. Kubernetes' default is 10 s.
            "housekeeping-interval": "30s" if node.traits.nested else None,
            "node-labels": ",".join(f"{k}={v}" for k, v in sorted(node.labels.items())) or None,
        }
    )
    return Process(
        name="kubelet",
        description="Kubernetes node agent",
        argv=(f"{_kubernetes(node)}/kubelet", *argv),
        env=node.env,
        after=("containerd",),
        notifies=True,
        reads=(f"{CONFIG}/kubelet.json", f"{CONFIG}/kubelet.kubeconfig", f"{CONFIG}/ca.crt"),
    )


def _proxy(node: Node) -> Process:
    return Process(
        name="kube-proxy",
        description="Kubernetes Services on this node",
        argv=(f"{_kubernetes(node)}/kube-proxy", f"--config={CONFIG}/kube-proxy.json"),
        env=node.env,
        reads=(f"{CONFIG}/kube-proxy.json", f"{CONFIG}/kube-proxy.kubeconfig", f"{CONFIG}/ca.crt"),
    )


def _flannel(node: Node) -> Process:
    argv = flags(
        {
            "config": f"{CONFIG}/flannel.json",
            "kubeconfig": f"{CONFIG}/flannel.kubeconfig",
            "node-name": node.name,
            "public-ip": node.address,
            "ready-address": f":{NETWORK_READY_PORT}" if node.tells_network_ready else None,
            "authorities": node.authorities if node.tells_network_ready else None,
        }
    )
    return Process(
        name="flanneld",
        description="flannel, the pod network between nodes",
        argv=(f"{_bin()}/flanneld", *argv),
        env=node.env,
        reads=(f"{CONFIG}/flannel.json", f"{CONFIG}/flannel.kubeconfig", f"{CONFIG}/ca.crt"),
    )


def _kubelet_config(node: Node) -> dict[str, Any]:
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "systemd" if node.traits.systemd_cgroups else "cgroupfs",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{CONFIG}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "port": KUBELET_PORT,
        "readOnlyPort": 0,
        "tlsMinVersion": "VersionTLS12",
        "clusterDNS": [str(node.dns)],
        "clusterDomain": node.domain,
        "maxPods": node.max_pods,
        "registerWithTaints": list(node.taints),
        "failSwapOn": False,
        "failCgroupV1": node.traits.cgroup_version == CGROUP_V2,
        "systemReserved": dict(node.reserved),
        "shutdownGracePeriod": "0s",
        # A node that is gone is noticed by its lease; its status changes rarely.
        "nodeStatusReportFrequency": "5m",
        "nodeStatusUpdateFrequency": "10s",
    }
    if node.signed_serving:
        config["tlsCertFile"] = f"{CONFIG}/kubelet-serving.crt"
        config["tlsPrivateKeyFile"] = f"{CONFIG}/kubelet-serving.key"
    else:
        config["serverTLSBootstrap"] = True
    if node.traits.nested:
        config["featureGates"] = {"KubeletInUserNamespace": True}
        config["localStorageCapacityIsolation"] = True
    return {**config, **node.kubelet}


def _proxy_config(node: Node) -> dict[str, Any]:
    # Where the kernel's limits are not ours to set, kube-proxy leaves them alone.
    conntrack = (
        {
            "maxPerCore": 0,
            "min": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
            "udpStreamTimeout": "0s",
            "udpTimeout": "0s",
        }
        if node.traits.nested
        else {}
    )
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": f"{CONFIG}/kube-proxy.kubeconfig"},
        "clusterCIDR": str(node.pods),
        "hostnameOverride": node.name,
        "conntrack": conntrack,
        "healthzBindAddress": f"0.0.0.0:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
        "nftables": {"minSyncPeriod": "0.2s"},
    }


def _flannel_config(node: Node) -> dict[str, Any]:
    return {
        "Network": str(node.pods),
        "EnableNFTables": True,
        "Backend": dict(node.backend.config),
    }


def _cni_template(node: Node) -> str:
    """A network configuration that containerd completes once the node has its pod range."""
    return _json(
        {
            "cniVersion": "1.0.0",
            "name": "moorage",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "mtu": node.traits.mtu - node.backend.overhead,
                    "isGateway": True,
                    "isDefaultGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        # Addresses given out end with the boot, as the pods do.
                        "dataDir": "/run/cni-addresses",
                        "ranges": [[{"subnet": "{{.PodCIDR}}"}]],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "nftables"},
            ],
        }
    )


def _containerd_config(node: Node) -> str:
    """containerd 2 configuration, version 3: https://github.com/containerd/containerd/blob/main/docs/cri/config.md"""
    nested = _bool(node.traits.nested)
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{node.pause_image}"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{node.registries}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {nested}
  disable_apparmor = {nested}
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  # By default each shim reads all of its cgroups every second, for CPU rates that a kubelet takes from elsewhere.
  stats_collect_period = "30s"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{_bin()}/runc"
  SystemdCgroup = {_bool(node.traits.systemd_cgroups)}

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{layout.CURRENT}/{layout.CNI}"]
  conf_dir = "{layout.CONFIG}/cni"
  conf_template = "{CONFIG}/cni.template"
"""


def _kubeconfig(node: Node, name: str, user: str) -> str:
    return kubeconfig.by_files(
        server=node.server,
        ca_file=f"{CONFIG}/ca.crt",
        cert_file=f"{CONFIG}/{name}.crt",
        key_file=f"{CONFIG}/{name}.key",
        user=user,
    )


def _bin() -> str:
    return f"{layout.CURRENT}/{layout.BIN}"


def _kubernetes(node: Node) -> str:
    return f"{layout.CURRENT}/{layout.kubernetes_bin(node.version)}"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"

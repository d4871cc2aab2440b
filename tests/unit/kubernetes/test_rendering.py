"""Everything that runs on hosts and in pods, as golden files: a changed flag shows in review."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from lightkube import codecs

from installer.core.secret import Secret
from installer.kubernetes import (
    addons,
    control_plane,
    crd,
    datastore,
    datastore_crd,
    dedicated,
    documents,
    etcd,
    host,
    hosted,
    metrics,
    node,
    node_pod,
    pki,
    speakers,
    storage,
    twins,
    units,
)
from installer.kubernetes.roots import Roots
from installer.spec.addresses import parse_range
from installer.spec.cluster_settings import Kubelet
from tests.conftest import Golden
from tests.unit.kubernetes import fixed

MANAGERS = {"manager-1": "192.0.2.11", "manager-2": "192.0.2.12", "manager-3": "192.0.2.13"}
PLAN = host.ManagerPlan(
    platform="harbor",
    kubernetes_version="1.37.2",
    pods=fixed.settings().pods,
    services=fixed.settings().services,
    domain="manager.local",
    node_ports=(30000, 32767),
    managers=MANAGERS,
    images=fixed.settings().images,
    workers=2,
)
MANAGER = host.ManagerHost(
    name="manager-1", address="192.0.2.11", role="manager", region="home", zone="a", traits=node.Traits()
)
WORKER = replace(MANAGER, name="worker-1", address="192.0.2.21", role="worker", zone="b")
PLACE = hosted.Place(
    address="10.127.0.9",
    node_port=30123,
    egress="10.127.0.10",
    etcd_servers=("https://10.127.0.20:2379",),
    etcd_ca="certificate of the datastore\n",
    etcd_user="cluster-team-a",
    etcd_prefix="/clusters/team-a/registry",
)


@pytest.mark.parametrize(
    ("name", "machine", "plan"),
    [
        ("manager", MANAGER, PLAN),
        ("worker", WORKER, PLAN),
        ("worker-in-a-container", replace(WORKER, traits=node.Traits(cgroup_version=1, nested=True)), PLAN),
        ("single", MANAGER, replace(PLAN, managers={"manager-1": "192.0.2.11"}, workers=0)),
    ],
)
def test_host(golden: Golden, name: str, machine: host.ManagerHost, plan: host.ManagerPlan) -> None:
    """A host of the manager, by role and kind."""
    golden(f"kubernetes/host-{name}.txt", fixed.shown(host.render(machine, plan, fixed.roots())))


def test_wireguard_changes_the_pod_network_and_nothing_else() -> None:
    """flannel's backend, the size of packets, and a module of the kernel: another unit would be a restart too many."""
    usual = host.render(WORKER, PLAN, fixed.roots())
    encrypted = host.render(WORKER, replace(PLAN, backend=node.WIREGUARD), fixed.roots())
    both = (usual, encrypted)
    assert [one.modules for one in both] == [(), ("wireguard",)]
    assert encrypted.processes == usual.processes
    changed = {path for path in usual.files if encrypted.files[path] != usual.files[path]}
    assert changed == {f"{node.CONFIG}/flannel.json", f"{node.CONFIG}/cni.template"}
    assert json.loads(str(encrypted.files[f"{node.CONFIG}/flannel.json"]))["Backend"] == {
        "Type": "wireguard",
        "ListenPort": 51820,
        "PersistentKeepaliveInterval": 25,
    }
    mtus = [json.loads(str(one.files[f"{node.CONFIG}/cni.template"]))["plugins"][0]["mtu"] for one in both]
    assert mtus == [1450, 1420]


@pytest.mark.parametrize(
    ("name", "stretches"),
    [
        ("dedicated", ()),
        (
            "dedicated-beside-node-pods",
            (
                dedicated.Stretch("192.0.2.21", IPv4Network("10.128.1.0/24"), "0a:00:00:00:00:21"),
                dedicated.Stretch("192.0.2.11", IPv4Network("10.128.0.0/24"), "0a:00:00:00:00:11"),
            ),
        ),
    ],
)
def test_a_host_of_one_cluster(golden: Golden, name: str, stretches: tuple[dedicated.Stretch, ...]) -> None:
    """Nothing in it is of the manager's own authorities; its way there is one device, and a balancer to the API."""
    pool = {"name": "metal", "kind": "dedicated", "hosts": ["metal-1"], "kubelet": {"maxPods": 40}}
    cluster = fixed.cluster(pools=[pool])
    servers = ("192.0.2.11:30123", "192.0.2.21:30123")
    home = dedicated.Home(
        cluster=cluster,
        pool=cluster.spec.dedicated_pools[0],
        way=dedicated.Way(address="10.127.0.9", servers=servers, stretches=stretches),
        roots=fixed.roots(),
        registry_files={"example.org.toml": Secret("server"), "0123.crt": "an authority"},
    )
    machine = replace(WORKER, name="metal-1", address="192.0.2.31", role="dedicated", labels={"gpu": "yes"})
    rendered = dedicated.render(machine, home, fixed.settings().images)
    golden(f"kubernetes/host-{name}.txt", fixed.shown(rendered))


def test_units(golden: Golden) -> None:
    """systemd units: restarted for ever; containers outlive containerd and the kubelet."""
    rendered = host.render(MANAGER, PLAN, fixed.roots())
    golden(
        "kubernetes/units.txt", "\n".join(f"# {units.unit_name(p)}\n{units.unit_text(p)}" for p in rendered.processes)
    )


def test_a_hosts_own_and_a_tenants_control_plane_differ_in_little(golden: Golden) -> None:
    """One renderer makes both; what differs is listed here, flag by flag."""
    ours = {process.name: process.argv for process in host.render(MANAGER, PLAN, fixed.roots()).processes}
    theirs = hosted.rendered(fixed.cluster(version="1.37.2"), PLACE, fixed.settings(), fixed.roots()).processes
    lines = []
    for process in theirs:
        own = ours.get(process.name, ())
        lines += [f"{process.name}: - {flag}" for flag in own if flag not in process.argv]
        lines += [f"{process.name}: + {flag}" for flag in process.argv if flag not in own]
    golden("kubernetes/tenant-difference.txt", "\n".join(lines) + "\n")


def test_the_managers_documents(golden: Golden) -> None:
    """All that Moorage runs in the manager."""
    golden("kubernetes/manager.json", fixed.documents_shown(addons.manager(fixed.settings())))


def test_a_tenants_documents(golden: Golden) -> None:
    """All that Moorage runs inside a tenant's cluster."""
    network = fixed.cluster().spec.network
    image = "moorage.local/pause:1"
    found = [
        *addons.tenant(image=image, address=network.dns_service, domain="cluster.local", nodes=2, authorities="a" * 16),
        *metrics.render(
            image=image,
            release=addons.NODE_RELEASE,
            ca_pem="certificate of the kubernetes authority\n",
            credential={"tls.crt": "certificate\n", "tls.key": Secret("key\n")},
        ),
        storage.storage_class(),
    ]
    golden("kubernetes/tenant.json", fixed.documents_shown(found))


def test_a_hosted_control_plane(golden: Golden) -> None:
    """Namespace, Service, Secret, Deployment."""
    roots = Roots.generate("team-a")
    found = [
        hosted.namespace_document("team-a"),
        hosted.service("team-a"),
        hosted.egress_service("team-a"),
        *hosted.control_plane_documents(
            fixed.cluster(), PLACE, fixed.settings(), roots, datastore=pki.new_ca("datastore"), seen={}
        ),
    ]
    config = found[-1]["spec"]["template"]["metadata"]["annotations"]
    assert len(config.pop("moorage.dev/config")) == 16
    golden("kubernetes/hosted.json", fixed.documents_shown(found))


def test_a_node_pod(golden: Golden) -> None:
    """The pod, and what its first process is told."""
    made = node_pod.render(
        fixed.cluster(),
        fixed.cluster().spec.pools[0],
        "general-1",
        address="10.127.0.9",
        settings=fixed.settings(),
        roots=Roots.generate("team-a"),
    )
    secret, pod = made.documents
    assert pod["metadata"]["annotations"].pop(node_pod.SHAPE) == made.shape
    files = documents.entries(secret["data"])
    text = fixed.documents_shown([secret, pod])
    for name in ("run.json", "prepare.sh", "import-images.sh", "kubelet.json", "containerd.toml"):
        text += f"=== {name}\n{files[name].reveal()}"
    golden("kubernetes/node-pod.txt", text)


@pytest.mark.parametrize(
    ("dns", "policy", "config"),
    [
        ({}, "Default", None),
        ({"searchDomains": ["example.com"]}, "Default", {"searches": ["example.com"]}),
        ({"upstreams": ["192.0.2.53"]}, "None", {"nameservers": ["192.0.2.53"]}),
    ],
)
def test_names_that_are_not_the_clusters_own(dns: dict[str, Any], policy: str, config: dict[str, Any] | None) -> None:
    """A node asks the name servers of its host or those of the specification, never the manager's."""
    cluster = fixed.cluster(network={"dns": dns})
    roots = Roots.generate("team-a")
    made = node_pod.render(
        cluster, cluster.spec.pools[0], "general-1", address="10.127.0.9", settings=fixed.settings(), roots=roots
    )
    spec = made.documents[1]["spec"]
    assert (spec["dnsPolicy"], spec.get("dnsConfig")) == (policy, config)


def test_a_node_pod_near_volumes() -> None:
    """It is drawn to their hosts instead of being spread; that makes it no other node."""
    cluster, roots, settings = fixed.cluster(), Roots.generate("team-a"), fixed.settings()

    def made(near: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        found = node_pod.render(
            cluster,
            cluster.spec.pools[0],
            "general-1",
            address="10.127.0.9",
            settings=settings,
            roots=roots,
            near=near,
        )
        return found.shape, found.documents[1]["spec"]

    (shape, spec), (other_shape, drawn) = made(()), made(("worker-1",))
    assert shape == other_shape
    assert "affinity" not in spec and "topologySpreadConstraints" not in drawn
    (term,) = drawn["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["preference"]["matchExpressions"] == [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker-1"]}
    ]


def test_volumes(golden: Golden) -> None:
    """A volume, and what makes its directory, removes it, and removes all of a cluster's."""
    wanted = storage.Volume(
        name="pvc-1",
        host="worker-1",
        claim={"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data", "uid": "1"},
        size="1Gi",
        access_modes=("ReadWriteOnce",),
        storage_class="moorage",
        reclaim_policy="Delete",
        mount_options=("noexec",),
    )
    found = [
        storage.volume("team-a", wanted),
        storage.namespace_document(),
        storage.maker("team-a", "pvc-1", "worker-1", fixed.settings()),
        storage.remover("team-a", "pvc-1", "worker-1", fixed.settings()),
        storage.clearer("team-a", "worker-1", fixed.settings()),
    ]
    for document in found:
        assert codecs.from_dict(document).metadata.name == document["metadata"]["name"]
    golden("kubernetes/volumes.json", fixed.documents_shown(found))


def test_the_documents_of_load_balancers(golden: Golden) -> None:
    """Access, the speakers, the addresses of a cluster, and the twins of two Services."""
    service = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "0f0f0f0f-1111-2222-3333-000000000001"},
        "spec": {
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}],
            "externalTrafficPolicy": "Local",
            "sessionAffinity": "ClientIP",
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
        },
    }
    found = [
        *speakers.access(),
        speakers.memberlist_secret(Secret("word")),
        *speakers.daemons(fixed.settings()),
        speakers.pool("team-a", [parse_range("192.0.2.16/28")]),
        twins.twin("team-a", service, selects=True),
        twins.twin("team-a", service, selects=False),
        twins.endpoints("team-a", service, {"general-1": ("10.128.1.5", "worker-1")}),
    ]
    for document in found:
        assert codecs.from_dict(document).metadata.name == document["metadata"]["name"]
    golden("kubernetes/load-balancers.json", fixed.documents_shown(found))


def test_a_datastore(golden: Golden) -> None:
    """Service, Secret and StatefulSet of a founder and of its successor, what removes data, who is let in and out."""
    authority = pki.new_ca("datastore")
    members = datastore.member_names("shared", 3)
    found = [
        datastore.namespace_document(),
        datastore.authority_document("shared", authority),
        datastore.service("shared", members[0]),
        *(
            document
            for placement in (datastore.Placement("manager-1"), datastore.Placement("manager-2", "8e9e05c52164694d"))
            for document in datastore.member_documents(
                "shared",
                members[0],
                placement=placement,
                address="10.127.0.20",
                initial_cluster=etcd.initial_cluster({m: f"10.127.0.{n}" for n, m in enumerate(members, 20)}),
                quota_bytes=2 * 2**30,
                started=False,
                settings=fixed.settings(),
                authority=authority,
                seen={},
            )
        ),
        datastore.removal_pod("shared", members[0], "manager-1", fixed.settings()),
    ]
    tenant = datastore.Tenant("team-a")
    commands = [*datastore.guarding(), *datastore.tenants_role(tenant), *datastore.removal(tenant)]
    golden(
        "kubernetes/datastore.txt", fixed.documents_shown(found) + "".join(f"etcdctl {' '.join(c)}\n" for c in commands)
    )


@pytest.mark.parametrize(
    ("joined", "started", "state"),
    [("", False, "new"), ("", True, "new"), ("8e", False, "existing"), ("8e", True, "new")],
)
def test_only_the_first_start_of_a_member_that_joins_takes_what_its_peers_have(
    joined: str, started: bool, state: str
) -> None:
    """A member that lost its data is refused by etcd instead: it might have promised what it no longer knows."""
    documents_of = datastore.member_documents(
        "shared",
        "shared-0",
        placement=datastore.Placement("manager-1", joined),
        address="10.127.0.20",
        initial_cluster="shared-0=https://10.127.0.20:2380",
        quota_bytes=2**30,
        started=started,
        settings=fixed.settings(),
        authority=pki.new_ca("datastore"),
        seen={},
    )
    entries = documents.entries(documents_of[0]["data"])
    assert entries["initial-cluster-state"].reveal() == state
    assert datastore.has_started(entries) == (state == "new")


def test_the_custom_resource(golden: Golden) -> None:
    """Generated from the model that reads specifications."""
    golden("kubernetes/crd.json", json.dumps(crd.manifests(), indent=2) + "\n")


def test_the_custom_resource_of_datastores(golden: Golden) -> None:
    """Generated from its model, too."""
    golden("kubernetes/datastore-crd.json", json.dumps(datastore_crd.manifest(), indent=2) + "\n")


@pytest.mark.parametrize(("managers", "replicas", "members"), [(1, 1, 1), (1, 3, 1), (3, 1, 1), (3, 2, 3), (5, 3, 3)])
def test_members_of_a_datastore_of_our_own(managers: int, replicas: int, members: int) -> None:
    """One may be lost where the control plane can lose one, too, and there are enough managers to carry three."""
    made = datastore.resource("shared", replicas=replicas, settings=fixed.settings(managers=managers))
    assert made["spec"]["members"] == members


def test_which_datastore_a_cluster_means() -> None:
    """By name, or one that is named after it."""
    assert datastore.name_for("team-a", "shared") == "shared"
    assert datastore.name_for("team-a", "dedicated") == "cluster-team-a"


def test_every_document_is_one_that_the_client_knows() -> None:
    """A misspelt field would be dropped by the API server in silence."""
    credential = {"tls.crt": "certificate\n", "tls.key": Secret("key\n")}
    inside = metrics.render(image="pause", release=addons.NODE_RELEASE, ca_pem="certificate\n", credential=credential)
    for document in [*addons.manager(fixed.settings()), *inside]:
        assert codecs.from_dict(document).metadata.name == document["metadata"]["name"]


@pytest.mark.parametrize(
    ("addons_of", "count", "has"), [({}, 1, True), ({}, 0, False), ({"metricsServer": False}, 1, False)]
)
def test_a_cluster_has_metrics_where_a_node_serves_them(addons_of: dict[str, bool], count: int, has: bool) -> None:
    """By default, but not without a node: an API that nobody serves keeps namespaces from being deleted."""
    pools = [{"name": "general", "kind": "shared", "count": count}]
    assert metrics.wanted(fixed.cluster(pools=pools, addons=addons_of)) is has


def test_certificates_that_fit_stay() -> None:
    """A second pass with what the first wrote changes nothing."""
    roots, authority = Roots.generate("team-a"), pki.new_ca("datastore")

    def made(seen: dict[str, Secret]) -> list[dict[str, Any]]:
        return hosted.control_plane_documents(
            fixed.cluster(), PLACE, fixed.settings(), roots, datastore=authority, seen=seen
        )

    first = made({})
    assert made(documents.entries(first[0]["data"])) == first


def test_the_shape_of_a_node_is_all_but_its_name() -> None:
    """Equal pools make equal nodes; a larger one, another version or bundle makes others."""
    cluster = fixed.cluster()
    pool = cluster.spec.pools[0]

    def shape(**changed: Any) -> str:
        arguments = {"cluster": cluster, "pool": pool, "address": "10.127.0.9", "settings": fixed.settings(), **changed}
        return node_pod.shape(**arguments)

    assert shape() == shape()
    others = [
        shape(pool=pool.model_copy(update={"memory": "4Gi"})),
        shape(pool=pool.model_copy(update={"kubelet": Kubelet(max_pods=50)})),
        shape(cluster=fixed.cluster(version="1.37.2")),
        shape(settings=fixed.settings(bundle="c" * 64)),
    ]
    assert len({shape(), *others}) == 5
    for changed in ({"count": 5}, {"labels": {"a": "b"}}, {"drain_timeout": "1s"}):
        assert shape(pool=pool.model_copy(update=changed)) == shape()


def test_settings_of_kubelets_are_the_kubelets_own() -> None:
    """By its own names; what is not set is left to it, but for disks: those are the host's, which looks first."""
    assert "maxPods" in kubelet_config({})
    assert kubelet_config({})["evictionHard"] == {
        "nodefs.available": "5%",
        "nodefs.inodesFree": "2%",
        "imagefs.available": "5%",
    }
    chosen = {"maxPods": 50, "imageGCHighThresholdPercent": 90}
    config = kubelet_config({**chosen, "evictionHard": {"nodefs.available": "1Gi"}})
    assert {key: config[key] for key in chosen} == chosen
    assert config["evictionHard"]["nodefs.available"] == "1Gi"
    assert config["mergeDefaultEvictionSettings"] is True


@pytest.mark.parametrize(("threshold", "found"), [("5%", "107374182"), ("200Mi", str(200 * 2**20))])
def test_a_share_of_memory_is_one_of_the_nodes_own(threshold: str, found: str) -> None:
    """The kubelet of a node pod sees the memory of the whole host, here 2Gi are its own."""
    config = kubelet_config({"evictionHard": {"memory.available": threshold}})
    assert config["evictionHard"]["memory.available"] == found


def kubelet_config(chosen: dict[str, Any]) -> dict[str, Any]:
    pool = {"name": "general", "kind": "shared", "kubelet": chosen}
    cluster = fixed.cluster(pools=[pool])
    roots = Roots.generate("team-a")
    made = node_pod.render(
        cluster, cluster.spec.pools[0], "a", address="10.127.0.9", settings=fixed.settings(), roots=roots
    )
    found = json.loads(documents.entries(made.documents[0]["data"])["kubelet.json"].reveal())
    assert isinstance(found, dict)
    return found


def test_settings_of_the_api_server() -> None:
    """Each is a flag or a name in the certificate; admission plugins come to those that isolation needs."""
    chosen = {
        "auditLog": True,
        "admissionPlugins": ["DenyServiceExternalIPs"],
        "extraNames": ["api.example.org"],
        "eventTtl": "2h",
        "maxRequestsInflight": 800,
        "unreachableTolerationSeconds": 30,
    }
    cluster = fixed.cluster(controlPlane={"apiServer": chosen})
    rendered = hosted.rendered(cluster, PLACE, fixed.settings(), fixed.roots())
    flags = set(rendered.processes[0].argv)
    assert flags > {
        "--audit-log-path=-",
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs",
        "--event-ttl=2h",
        "--max-requests-inflight=800",
        "--default-unreachable-toleration-seconds=30",
    }
    assert "api.example.org" in rendered.certificates[f"{control_plane.CONFIG}/apiserver"].subject.names


def test_a_tenants_controllers_elect_a_leader_however_many_replicas_there_are() -> None:
    """While pods are replaced there are two; and so that more or fewer replicas replace none."""
    one, three = (
        hosted.rendered(fixed.cluster(controlPlane={"replicas": n}), PLACE, fixed.settings(), fixed.roots())
        for n in (1, 3)
    )
    assert one == three
    electing = [process.name for process in one.processes if "--leader-elect=true" in process.argv]
    assert electing == ["kube-controller-manager", "kube-scheduler"]


def test_etcd_listens_for_mutual_tls_alone() -> None:
    """Every client and peer shows a certificate."""
    rendered = etcd.render(etcd.Member(name="a", address="192.0.2.1", peers={"a": "192.0.2.1"}, token="t"))
    flags = rendered.processes[0].argv
    assert "--client-cert-auth=true" in flags
    assert "--peer-client-cert-auth=true" in flags
    assert not [flag for flag in flags if "http://" in flag and "127.0.0.1" not in flag]


def test_production_defaults_of_the_api_server() -> None:
    """Anonymous users see health alone; nodes are restricted; Secrets are encrypted; what happens is on record."""
    rendered = host.render(MANAGER, PLAN, fixed.roots())
    flags = next(process for process in rendered.processes if process.name == "kube-apiserver").argv
    assert "--authorization-mode=Node,RBAC" in flags
    assert "--enable-admission-plugins=NodeRestriction" in flags
    assert any(flag.startswith("--encryption-provider-config=") for flag in flags)
    assert any(flag.startswith("--audit-log-path=") for flag in flags)
    anonymous = json.loads(str(rendered.files[f"{control_plane.CONFIG}/authentication.json"]))["anonymous"]
    assert {condition["path"] for condition in anonymous["conditions"]} == {"/livez", "/readyz", "/healthz"}

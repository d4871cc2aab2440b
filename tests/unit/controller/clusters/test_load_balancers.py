"""Services of type LoadBalancer, their twins in the manager and the speakers, on APIs that are dictionaries."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest
from lightkube import Client

from installer.controller.address_pools import AddressPools
from installer.controller.clusters.load_balancers import LoadBalancers
from installer.controller.manager_api import Api
from installer.kubernetes import speakers, twins
from tests.fakes.kubernetes import Document, FakeApi, Killed, Life
from tests.unit.controller.clusters.test_balancing import service
from tests.unit.kubernetes import fixed

NAMESPACE = "cluster-team-a"
ADDRESSES = {"loadBalancer": {"addresses": ["192.0.2.10-192.0.2.11"]}}


class World:
    """A manager with a host, and a cluster's own API, both of which outlive the controller."""

    def __init__(self) -> None:
        self.manager, self.inside = FakeApi(), FakeApi()
        address = {"type": "InternalIP", "address": "192.0.2.50"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}
        self.manager.put({**node, "status": {"addresses": [address]}})
        self.network: Document = ADDRESSES
        self.hosts: tuple[str, ...] = ()  # addresses of nodes that are whole hosts
        self.controller()

    def controller(self, ends: int | None = None) -> None:
        """The controller as it starts; it is killed after `ends` calls."""
        self.life = Life(ends)
        api = Api(cast(Client, self.manager.client(self.life)))
        self.api = Api(cast(Client, self.inside.client(self.life, "inside:")))
        self.pools = AddressPools(api, fixed.settings())
        self.balancers = LoadBalancers("team-a", api, self.pools)

    def put(self, wanted: Document) -> None:
        """Make or change a Service as a user does."""
        self.inside.put({"apiVersion": "v1", "kind": "Service", **wanted})

    def node_pod(self, name: str, address: str, host: str, *, ready: bool = True) -> None:
        meta = {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"moorage.dev/cluster": "team-a", "moorage.dev/part": "node"},
        }
        status = {"podIP": address, "conditions": [{"type": "Ready", "status": str(ready)}]}
        self.manager.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": meta,
                "spec": {"nodeName": host, "containers": []},
                "status": status,
            }
        )

    def slices(self, name: str, *nodes: str, ready: bool = True) -> None:
        meta = {"name": f"{name}-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
        ends = [{"addresses": ["10.244.0.9"], "nodeName": node, "conditions": {"ready": ready}} for node in nodes]
        self.inside.put(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": meta,
                "addressType": "IPv4",
                "endpoints": ends,
            }
        )

    def tend(self) -> Any:
        self.balancers.changed()
        return self.balancers.tend(fixed.cluster(network=self.network), self.api, self.hosts)

    def told(self, name: str) -> list[str]:
        return [one["message"] for one in self.inside.of("Event") if one["involvedObject"]["name"] == name]

    def ingress(self, name: str) -> list[str]:
        """The addresses that a Service is said to have."""
        status = self.inside.get("Service", "shop", name).get("status") or {}
        return [one["ip"] for one in (status.get("loadBalancer") or {}).get("ingress") or ()]

    def twin(self, name: str) -> Document:
        return self.manager.get("Service", NAMESPACE, twins.twin_name(name))

    def twins(self) -> dict[str, list[str]]:
        """Names of twins, with what each is said to have."""
        return {
            one["metadata"]["name"]: [
                a["ip"] for a in ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            ]
            for one in self.manager.of("Service", NAMESPACE)
        }


def test_a_service_gets_an_address_and_a_twin() -> None:
    """The twin leads from the Service's ports to the nodes' node ports, and speakers run."""
    world = World()
    world.put(service("web"))
    condition = world.tend()
    assert (condition.ok, condition.message) == (True, "1 of 2 addresses are in use")
    assert world.ingress("web") == ["192.0.2.10"]
    assert world.twins() == {"lb-web": ["192.0.2.10"]}
    spec = world.twin("web")["spec"]
    assert spec["ports"] == [{"name": "port-80", "port": 80, "protocol": "TCP", "targetPort": 30080}]
    assert spec["selector"] == {"moorage.dev/cluster": "team-a", "moorage.dev/part": "node"}
    assert [one["metadata"]["name"] for one in world.manager.of("DaemonSet")] == [speakers.SPEAKER]
    [pool] = world.manager.of("IPAddressPool")
    assert pool["spec"]["addresses"] == ["192.0.2.10-192.0.2.11"]


def test_a_second_look_changes_nothing() -> None:
    """Nor is anything written again."""
    world = World()
    world.put(service("web"))
    world.tend()
    world.life.calls.clear()
    world.tend()
    assert [call for call in world.life.calls if not call.removeprefix("inside: ").startswith(("list", "get"))] == []


def test_slices_of_kubernetes_own_controller_are_left_alone() -> None:
    """It gives them the labels of their Service; without one, nobody is led anywhere until it makes another."""
    world = World()
    world.put(service("web"))
    world.tend()
    twin = world.twin("web")["metadata"]
    own = {twins.MANAGED_BY: "endpointslice-controller.k8s.io", "kubernetes.io/service-name": twin["name"]}
    meta = {"name": f"{twin['name']}-x7k2p", "namespace": NAMESPACE, "labels": {**twin["labels"], **own}}
    world.manager.put({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta})
    world.tend()
    assert [one["metadata"]["name"] for one in world.manager.of("EndpointSlice")] == [meta["name"]]


def test_a_service_leads_to_nodes_that_are_whole_hosts() -> None:
    """Beside node pods; with a change of them, not a minute later; and no longer when they are gone."""
    world = World()
    world.put(service("web"))
    world.tend()
    assert world.manager.of("EndpointSlice") == []
    cluster = fixed.cluster(network=ADDRESSES)
    world.balancers.tend(cluster, world.api, ("192.0.2.31", "192.0.2.32"))
    [found] = world.manager.of("EndpointSlice")
    assert [one["addresses"] for one in found["endpoints"]] == [["192.0.2.31"], ["192.0.2.32"]]
    assert found["ports"] == [{"name": "port-80", "port": 30080, "protocol": "TCP"}]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "lb-web"
    assert world.twin("web")["spec"]["selector"]
    world.balancers.tend(cluster, world.api, ())
    assert world.manager.of("EndpointSlice") == []


def test_one_that_wants_to_see_who_asks_does_not_lead_to_hosts() -> None:
    """The host that answers for its address must have a pod of it, and speakers are on the manager's hosts alone."""
    world = World()
    world.hosts = ("192.0.2.31",)
    world.put(service("web", externalTrafficPolicy="Local"))
    world.slices("web", "metal-1")
    world.tend()
    [found] = world.manager.of("EndpointSlice")
    assert found["endpoints"] == []


def test_without_a_change_nothing_is_asked() -> None:
    """Between looks a pass costs no call."""
    world = World()
    world.tend()
    world.life.calls.clear()
    assert world.balancers.tend(fixed.cluster(network=world.network), world.api).ok  # type: ignore[union-attr]
    assert world.life.calls == []


def test_a_service_that_goes_leaves_nothing() -> None:
    """Its twin goes, and its address is another's."""
    world = World()
    world.put(service("web"))
    world.tend()
    world.inside.remove("Service", "shop", "web")
    world.put(service("api"))
    world.tend()
    assert world.twins() == {"lb-api": ["192.0.2.10"]}


def test_a_service_that_changes_its_type_loses_its_twin() -> None:
    """Kubernetes itself takes the address out of its status then."""
    world = World()
    world.put(service("web"))
    world.tend()
    world.put(service("web", type="ClusterIP"))
    world.tend()
    assert world.twins() == {}


def test_a_service_that_waits_is_told_once() -> None:
    """As an event of its own, in its cluster."""
    world = World()
    world.put(service("web", wish="198.51.100.1"))
    world.tend()
    world.tend()
    [message] = world.told("web")
    assert "198.51.100.1 is not one of this cluster's addresses" in message
    assert world.twins() == {}


def test_addresses_that_are_taken_away_are_given_up() -> None:
    """Services wait then, the pool goes, and with the last one the speakers."""
    world = World()
    world.put(service("web"))
    world.tend()
    world.network = {}
    assert world.tend() is None
    assert world.ingress("web") == []
    assert world.twins() == {}
    for kind in ("IPAddressPool", "DaemonSet", "L2Advertisement", "Secret", "ConfigMap"):
        assert world.manager.of(kind) == []


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (["192.0.2.11"], "192.0.2.11 overlaps the addresses of cluster team-b"),
        (["192.0.2.50"], "192.0.2.50 overlaps the address of host worker-1"),
        (["10.127.0.8/29"], "10.127.0.8-10.127.0.15 overlaps the manager's services 10.127.0.0/16"),
    ],
)
def test_addresses_of_others_are_refused(addresses: list[str], why: str) -> None:
    """The condition says whose they are, and so does the event of a Service that waits for one."""
    world = World()
    world.pools.keep("team-b", fixed.cluster(network=ADDRESSES).spec.network.load_balancer.ranges)
    world.network = {"loadBalancer": {"addresses": addresses}}
    world.put(service("web"))
    condition = world.tend()
    assert (condition.ok, condition.reason) == (False, "AddressesTaken")
    assert condition.message == f"spec.network.loadBalancer.addresses: {why}"
    assert why in world.told("web")[0]
    assert [one["metadata"]["name"] for one in world.manager.of("IPAddressPool")] == ["team-b"]


def test_the_last_cluster_takes_the_speakers_along() -> None:
    """As long as another cluster has addresses they stay."""
    world = World()
    world.tend()
    world.pools.keep(
        "team-b",
        fixed.cluster(network={"loadBalancer": {"addresses": ["192.0.2.20"]}}).spec.network.load_balancer.ranges,
    )
    world.balancers.release()
    assert world.manager.of("DaemonSet")
    world.pools.release("team-b")
    assert world.manager.of("DaemonSet") == []


def test_a_local_service_leads_to_nodes_with_a_pod_of_it() -> None:
    """So that no node is asked that would have to turn the connection away."""
    world = World()
    world.node_pod("general-1", "10.128.1.5", "worker-1")
    world.node_pod("general-2", "10.128.2.5", "worker-2")
    world.node_pod("general-3", "10.128.3.5", "worker-3", ready=False)
    world.slices("web", "general-2", "general-3")
    world.put(service("web", externalTrafficPolicy="Local"))
    world.tend()
    assert world.balancers.follows_pods()
    assert "selector" not in world.twin("web")["spec"]
    [found] = world.manager.of("EndpointSlice")
    assert [(one["addresses"], one["nodeName"]) for one in found["endpoints"]] == [(["10.128.2.5"], "worker-2")]
    assert found["ports"] == [{"name": "port-80", "port": 30080, "protocol": "TCP"}]


def test_a_twin_is_made_anew_when_it_leads_elsewhere() -> None:
    """A Service whose selector goes would keep the endpoints that it had; its address stays."""
    world = World()
    world.put(service("web"))
    world.tend()
    world.life.calls.clear()
    world.put(service("web", externalTrafficPolicy="Local"))
    world.tend()
    assert "delete Service lb-web" in world.life.calls
    assert world.twins() == {"lb-web": ["192.0.2.10"]}
    world.put(service("web"))
    world.tend()
    assert world.manager.of("EndpointSlice") == []
    assert world.twin("web")["spec"]["selector"]
    assert not world.balancers.follows_pods()


def _played(ends: int | None) -> tuple[Any, int]:
    """Two Services come, one goes, one changes; the controller is killed after `ends` calls, and starts again."""
    world = World()
    world.node_pod("general-1", "10.128.1.5", "worker-1")
    world.slices("web", "general-1")
    steps = [
        lambda: (world.put(service("web", age=9)), world.put(service("api", age=5)), world.put(service("late", age=1))),
        lambda: world.put(service("web", age=9, externalTrafficPolicy="Local")),
        lambda: world.inside.remove("Service", "shop", "api"),
    ]
    world.controller(ends)
    for step in steps:
        step()
        try:
            world.tend()
        except Killed:
            world.controller()
            world.tend()
    calls = len(world.life.calls)
    held = [api.held for api in (world.manager, world.inside)]
    return [
        {key: _plain(one) for key, one in found.items() if key[0] not in ("Event", "Secret")} for found in held
    ], calls


def _plain(document: Document) -> Document:
    found = copy.deepcopy(document)
    found["metadata"].pop("resourceVersion", None)
    return found


def test_a_killed_controller_is_followed_by_one_that_finishes() -> None:
    """After any call, with the same end."""
    expected, calls = _played(None)
    assert calls > 20
    for ends in range(1, calls):
        found, _ = _played(ends)
        assert found == expected, f"killed after call {ends}"

"""Services of type LoadBalancer: an address of the hosts' network that some host answers for, whichever is there."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from installer.kubernetes import twins
from tests.e2e.platform_under_test import PlatformUnderTest, eventually, podman

_SPACE = "balanced"
_SPEAKERS = "moorage-load-balancer"


@pytest.fixture(scope="module")
def addresses(example: PlatformUnderTest) -> tuple[str, str]:
    """Two addresses of the hosts' network that no host has."""
    [network] = json.loads(podman("network", "inspect", f"moorage-{example.name}"))
    last = IPv4Network(network["subnets"][0]["subnet"])[-1]
    return str(last - 5), str(last - 4)


@pytest.fixture(scope="module")
def balanced(
    example: PlatformUnderTest, answering_image: str, addresses: tuple[str, str]
) -> Iterator[PlatformUnderTest]:
    """The example, where team-a has these addresses, and two pods that answer."""
    give(example, "team-a", [f"{addresses[0]}-{addresses[1]}"])
    example.make_namespace("team-a", _SPACE)
    container = {"name": "answer", "image": answering_image, "imagePullPolicy": "Never"}
    template = {
        "metadata": {"labels": {"app": "answer"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "answer"}}, "template": template}
    put(example, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "answer"}, "spec": spec})
    yield example
    give(example, "team-a", [])
    example.kubectl("team-a", "delete", "namespace", _SPACE, "--wait=false")


def give(example: PlatformUnderTest, cluster: str, ranges: list[str]) -> None:
    """Set the addresses of a cluster, as an operator does with kubectl alone."""
    change = json.dumps({"spec": {"network": {"loadBalancer": {"addresses": ranges}}}})
    example.kubectl("manager", "patch", "cluster", cluster, "--type=merge", "-p", change)


def put(example: PlatformUnderTest, document: dict[str, Any]) -> None:
    example.kubectl("team-a", "-n", _SPACE, "apply", "-f", "-", stdin=json.dumps(document).encode())


def publish(example: PlatformUnderTest, name: str, **spec: Any) -> None:
    """Make a Service that leads to the pods."""
    wanted = {
        "type": "LoadBalancer",
        "selector": {"app": "answer"},
        "ports": [{"port": 80, "targetPort": 8080}],
        **spec,
    }
    put(example, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": wanted})


def ingress(example: PlatformUnderTest, name: str) -> str:
    """The address that a Service has; empty while it has none."""
    words = ("-n", _SPACE, "get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
    return example.kubectl("team-a", *words).stdout.decode()


def ask(address: str, path: str = "") -> str:
    """What a pod says when this machine asks for it at the address; empty without an answer."""
    try:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=2) as answer:
            return str(answer.read().decode().strip())
    except (OSError, urllib.error.URLError):
        return ""


def speakers(example: PlatformUnderTest, kind: str) -> list[dict[str, Any]]:
    """Objects of the speakers."""
    found: list[dict[str, Any]] = json.loads(
        example.kubectl("manager", "-n", _SPEAKERS, "get", kind, "-o", "json").stdout
    )["items"]
    return found


def web_twin(example: PlatformUnderTest) -> str:
    """The Service in the manager that stands for `web`."""
    words = ("-n", _SPACE, "get", "service", "web", "-o", "jsonpath={.metadata.uid}")
    return twins.twin_name(example.kubectl("team-a", *words).stdout.decode())


def test_a_service_is_reached_at_its_address(balanced: PlatformUnderTest, addresses: tuple[str, str]) -> None:
    """From outside, at the first of the addresses; both pods answer."""
    publish(balanced, "web")
    eventually(lambda: ingress(balanced, "web") == addresses[0], timeout_s=60, what="the Service has an address")
    eventually(lambda: ask(addresses[0]) != "", timeout_s=90, what="the address answers")
    said: set[str] = set()

    def both() -> bool:
        said.update({ask(addresses[0])} - {""})
        return len(said) == 2

    eventually(both, timeout_s=60, what="both pods are led to")


def test_who_asks_is_seen_where_the_traffic_is_local(balanced: PlatformUnderTest, addresses: tuple[str, str]) -> None:
    """With externalTrafficPolicy Local a pod sees this machine's address, otherwise a node's."""
    [network] = json.loads(podman("network", "inspect", f"moorage-{balanced.name}"))
    publish(balanced, "local", externalTrafficPolicy="Local")
    eventually(lambda: ingress(balanced, "local") == addresses[1], timeout_s=60, what="the Service has an address")
    eventually(lambda: ask(addresses[1]) != "", timeout_s=90, what="the address answers")
    caller = ask(addresses[1], "caller").rpartition(":")[0]
    assert IPv4Address(caller) == IPv4Address(network["subnets"][0]["gateway"])


def test_a_service_without_an_address_says_why(balanced: PlatformUnderTest) -> None:
    """As an event that `kubectl describe` shows; it gets one when another goes."""
    publish(balanced, "third")

    def told() -> bool:
        words = ("-n", _SPACE, "get", "events", "--field-selector", "involvedObject.name=third", "-o", "name")
        return balanced.kubectl("team-a", *words).stdout.strip() != b""

    eventually(told, timeout_s=60, what="an event says that all addresses are taken")
    balanced.kubectl("team-a", "-n", _SPACE, "delete", "service", "local", "--wait=false")
    eventually(lambda: ingress(balanced, "third") != "", timeout_s=60, what="the third Service has an address")


def test_another_host_takes_over(balanced: PlatformUnderTest, addresses: tuple[str, str]) -> None:
    """When the speaker of the host that answers is gone; there is always one that does, soon."""
    assert ask(addresses[0])
    [host] = {
        one["status"]["node"]
        for one in speakers(balanced, "servicel2statuses")
        if one["status"]["serviceName"] == web_twin(balanced)
    }
    [pod] = [one["metadata"]["name"] for one in speakers(balanced, "pods") if one["spec"]["nodeName"] == host]
    balanced.kubectl("manager", "-n", _SPEAKERS, "delete", "pod", pod, "--grace-period=0", "--force")
    deadline = time.monotonic() + 60
    good = 0
    while good < 5:
        good = good + 1 if ask(addresses[0]) else 0
        assert time.monotonic() < deadline, f"{addresses[0]} does not answer"
        time.sleep(0.2)


def test_no_cluster_takes_anothers_address(balanced: PlatformUnderTest, addresses: tuple[str, str]) -> None:
    """Whose it is stands in a condition; what runs in both goes on."""
    give(balanced, "team-b", [addresses[1]])
    condition = '{.status.conditions[?(@.type=="LoadBalancersReady")].message}'

    def told() -> bool:
        said = balanced.kubectl("manager", "get", "cluster", "team-b", "-o", f"jsonpath={condition}").stdout.decode()
        return "the addresses of cluster team-a" in said

    try:
        eventually(told, timeout_s=60, what="the condition of team-b says whose address it is")
        assert ask(addresses[0])
    finally:
        give(balanced, "team-b", [])


def test_addresses_that_are_taken_away_answer_no_more(balanced: PlatformUnderTest, addresses: tuple[str, str]) -> None:
    """Services wait, and with the last address the speakers go."""
    give(balanced, "team-a", [])
    eventually(lambda: ingress(balanced, "web") == "", timeout_s=60, what="the Service has no address any more")
    words = ("-n", _SPEAKERS, "get", "daemonsets,pods", "-o", "name")
    eventually(lambda: balanced.kubectl("manager", *words).stdout == b"", timeout_s=60, what="no speaker runs")
    assert ask(addresses[0]) == ""
